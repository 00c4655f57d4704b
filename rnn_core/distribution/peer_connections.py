"""Opens one TCP connection between each two workers.

Each worker listens at its own host of ``TF_CONFIG``, at a port that the system chooses, for as long
as the others need to come. A secret that the chief draws for each training keeps others out.
"""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

AllGather = Callable[[Sequence[float]], Array]
"""``Replicas.all_gather``: float64 [workers, len(row)], every worker's row."""

_HELLO: Final = struct.Struct("!QQI")
"""The two numbers of the secret, and the index of the worker that connects."""
_SECRET_BITS: Final = 53
"""A float64, in which the secret is exchanged, holds integers of so many bits exactly."""
_HELLO_SECONDS: Final = 5.0
"""A stranger that connects and sends nothing blocks the workers for at most this long."""


class _RefusedError(Exception):
    """A connection that is not from a worker of this training."""


def connect(
    worker: int, hosts: Sequence[str], all_gather: AllGather, timeout_seconds: float
) -> dict[int, socket.socket] | None:
    """This worker's non-blocking sockets to all others, by the index of the worker.

    Args:
        worker: the index of this worker.
        hosts: names or addresses of all workers, in their order.
        all_gather: called by all workers at the same time, exactly twice, also after a failure.
        timeout_seconds: how long to wait for the others.

    Returns:
        None, on all workers, if any two of them could not connect: all must use one kind of
        all-reduce.
    """
    with contextlib.ExitStack() as stack:
        listener = _listen(hosts[worker], len(hosts), stack)
        # 0 tells the others, in the same exchange, that this worker cannot listen.
        port = listener.getsockname()[1] if listener else 0
        own_secret = [secrets.randbits(_SECRET_BITS) for _ in range(2)]
        # Each draws a secret, as all rows have one length; that of the chief counts. This is a
        # barrier, too: every listener is open before anybody connects.
        rows = all_gather([port, *own_secret]).astype("uint64").tolist()
        secret, ports = tuple(rows[0][1:]), [row[0] for row in rows]
        found: dict[int, socket.socket] = {}
        if listener is not None and all(ports):
            found = _mesh(worker, hosts, ports, secret, listener, timeout_seconds)
        if all_gather([len(found) == len(hosts) - 1]).all():
            return found
        for connection in found.values():
            connection.close()
        return None


def _listen(host: str, workers: int, stack: contextlib.ExitStack) -> socket.socket | None:
    try:
        family = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, 0), family=family, backlog=workers)
        return stack.enter_context(listener)
    except OSError as error:
        logger.warning("Cannot listen at %s for the other workers: %s", host, error)
        return None


def _mesh(
    worker: int,
    hosts: Sequence[str],
    ports: Sequence[int],
    secret: tuple[Any, ...],
    listener: socket.socket,
    timeout_seconds: float,
) -> dict[int, socket.socket]:
    """The connections that could be made: to workers of a lower index, from all others."""
    found: dict[int, socket.socket] = {}
    deadline = time.monotonic() + timeout_seconds
    try:
        # To lower indices only, so that each two workers make one connection.
        for peer in range(worker):
            found[peer] = socket.create_connection((hosts[peer], ports[peer]), timeout_seconds)
            found[peer].sendall(_HELLO.pack(*secret, worker))
        while len(found) < len(hosts) - 1:
            listener.settimeout(max(0.0, deadline - time.monotonic()))
            with contextlib.suppress(_RefusedError):
                peer, connection = _accept(listener, secret)
                found[peer] = connection
    except OSError as error:
        logger.warning("No connection between worker %d and the others: %s", worker, error)
    for connection in found.values():
        # A step waits for every message: Nagle's algorithm would hold the small ones back.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
    return found


def _accept(listener: socket.socket, secret: tuple[Any, ...]) -> tuple[int, socket.socket]:
    """The index of the worker that connected, and its socket. Raises _RefusedError."""
    connection, address = listener.accept()
    try:
        connection.settimeout(_HELLO_SECONDS)
        *received, peer = _HELLO.unpack(connection.recv(_HELLO.size, socket.MSG_WAITALL))
        if tuple(received) == secret:
            return peer, connection
    except (OSError, struct.error) as error:
        logger.warning("A connection from %s sent no valid greeting: %s", address, error)
    connection.close()
    raise _RefusedError
