"""Opens one TCP connection between each two workers, which nobody gets without the token.

The chief draws a token for each training and puts it beside the heartbeats, in a file that only
its own user may read. Each worker connects to those of a lower index, to the chief first: that the
chief takes its token shows that the token is not one of yesterday.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rnn_core.distribution.addresses import Place
from rnn_core.distribution.greeting import TOKEN_BYTES, RefusedError, call
from rnn_core.distribution.listener import Listener
from rnn_core.distribution.messages import ExchangeError
from rnn_core.storage.files import (
    join,
    make_directory,
    read_text,
    remove,
    storage_errors,
    write_text,
)

_TOKEN: Final = "token"
_POLL_SECONDS: Final = 0.1
_CHECK_SECONDS: Final = 1.0
"""Between two looks whether the workers that have not called yet are still there."""
_CONNECT_SECONDS: Final = 5.0
"""For one attempt. It is repeated: a packet may be lost, and a worker may be suspended."""
_GONE_SECONDS: Final = 60.0
"""A worker that nobody answers for so long is gone. One of an earlier training, which was about to
end, may have been met at the start: the one that follows it needs this long at most to load."""


def connect(
    worker: int,
    places: Sequence[Place],
    listener: Listener,
    directory: str,
    timeout_seconds: float,
) -> dict[int, socket.socket]:
    """This worker's non-blocking sockets to all others, by the index of the worker.

    Args:
        worker: the index of this worker.
        places: where each worker listens, in the order of the workers; all listen already.
        listener: this worker's own.
        directory: of the file with the token; all workers see it.
        timeout_seconds: how long to wait for the others.

    Raises:
        ExchangeError: a worker is gone, or was not connected in time.
        StorageError: the token cannot be written.
    """
    deadline = time.monotonic() + timeout_seconds
    found: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as failed:
        failed.callback(_close, found)
        failed.callback(listener.turn_away)
        if worker == 0:
            token = secrets.token_bytes(TOKEN_BYTES)
            _write_token(directory, token)
        else:
            found[0], token = _call(worker, 0, places, lambda: _read_token(directory), deadline)
        listener.admit(token)
        for peer in range(1, worker):
            found[peer], _ = _call(worker, peer, places, lambda: token, deadline)
        found |= _callers(worker, places, listener, deadline)
        if worker == 0:
            # All have it. What is no longer there can be read by nobody.
            _remove_token(directory)
        failed.pop_all()
    for connection in found.values():
        # A step waits for every message: Nagle's algorithm would hold the small ones back.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
    return found


def _close(connections: Mapping[int, socket.socket]) -> None:
    for connection in connections.values():
        connection.close()


def _call(
    worker: int,
    peer: int,
    places: Sequence[Place],
    read_token: Callable[[], bytes],
    deadline: float,
) -> tuple[socket.socket, bytes]:
    """A connection to a peer that took the token, which is read again for each attempt."""
    name, host, port = places[peer]
    seen_at = time.monotonic()
    while True:
        try:
            connection = socket.create_connection((host, port), _CONNECT_SECONDS)
            seen_at = time.monotonic()
            try:
                token = read_token()
                call(connection, token, worker, peer)
            except BaseException:
                connection.close()
                raise
            return connection, token
        except (OSError, RefusedError) as error:
            is_refused = isinstance(error, ConnectionRefusedError)
            if is_refused and time.monotonic() - seen_at > _GONE_SECONDS:
                raise ExchangeError(f"{name} is gone: nobody listens at its address") from None
            if time.monotonic() > deadline:
                raise ExchangeError(f"no connection to {name} in time ({error})") from None
        time.sleep(_POLL_SECONDS)


def _callers(
    worker: int, places: Sequence[Place], listener: Listener, deadline: float
) -> dict[int, socket.socket]:
    """The connections of the workers with a higher index, which call this one."""
    expected = range(worker + 1, len(places))
    seen_at = dict.fromkeys(expected, time.monotonic())
    while True:
        found = listener.callers(len(expected), _CHECK_SECONDS)
        missing = [peer for peer in expected if peer not in found]
        if not missing:
            return found
        for peer in missing:
            if not _refuses(places[peer]):
                seen_at[peer] = time.monotonic()
            elif time.monotonic() - seen_at[peer] > _GONE_SECONDS:
                name = places[peer].name
                raise ExchangeError(f"{name} is gone: nobody listens at its address")
        if time.monotonic() > deadline:
            names = ", ".join(places[peer].name for peer in missing)
            raise ExchangeError(f"no connection from {names} in time")


def _refuses(place: Place) -> bool:
    """Whether its machine says that nobody listens there; another fault may pass."""
    try:
        socket.create_connection((place.host, place.port), _CHECK_SECONDS).close()
    except ConnectionRefusedError:
        return True
    except OSError:
        return False
    return False


def _write_token(directory: str, token: bytes) -> None:
    with storage_errors(directory):
        make_directory(directory)
        write_text(join(directory, _TOKEN), token.hex(), private=True)


def _read_token(directory: str) -> bytes:
    try:
        return bytes.fromhex(read_text(join(directory, _TOKEN)))
    except ValueError:
        # Seen in part, on a file system that does not rename atomically.
        raise OSError("the token is not complete") from None


def _remove_token(directory: str) -> None:
    # It is of no use any more, so that a file that stays does no harm.
    with contextlib.suppress(OSError):
        remove(join(directory, _TOKEN))
