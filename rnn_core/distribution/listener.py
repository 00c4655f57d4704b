"""A worker's own listening sockets, at the address that ``TF_CONFIG`` names and at no other.

They are open for as long as the worker is there, so that the others can ask whether it is: such a
connection is closed at once. While the workers connect for their exchange, a caller that knows the
token of the training is kept for it, and any other is turned away.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from rnn_core.distribution.greeting import RefusedError, WrongTokenError, answer

logger = logging.getLogger("rnn_core")

_PAUSE_SECONDS: Final = 0.1
"""After a connection that could not be accepted, as without a free file descriptor."""


class Listener:
    """Listens from now on until it is closed.

    Args:
        worker: the index of this worker.
        hosts: numeric addresses of this machine.
        port: the same for all of them; 0 for one that the system chooses.

    Raises:
        OSError: the port is taken at one of them, or it is of another machine.
    """

    def __init__(self, worker: int, hosts: Sequence[str], port: int) -> None:
        self._worker = worker
        self._token: bytes | None = None
        self._callers: dict[int, socket.socket] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._sockets: list[socket.socket] = []
        with contextlib.ExitStack() as stack:
            for host in hosts:
                family = socket.AF_INET6 if ":" in host else socket.AF_INET
                # It sets SO_REUSEADDR: connections of a training before may linger in TIME_WAIT.
                one = stack.enter_context(socket.create_server((host, port), family=family))
                self._sockets.append(one)
                port = self.port
            stack.pop_all()
        for each in self._sockets:
            threading.Thread(
                target=self._accept, args=(each,), daemon=True, name="rnn_core listener"
            ).start()

    @property
    def port(self) -> int:
        """The port at which it listens."""
        return int(self._sockets[0].getsockname()[1])

    def admit(self, token: bytes) -> None:
        """Keeps the callers that know ``token`` from now on."""
        self._token = token

    def callers(self, expected: int, seconds: float) -> dict[int, socket.socket]:
        """Those that were admitted, by the index of the worker.

        Args:
            expected: when there are so many, they belong to the caller, and no other is admitted.
            seconds: how long it waits for them.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._callers) >= expected, seconds)
            found = dict(self._callers)
            if len(found) >= expected:
                self._token, self._callers = None, {}
            return found

    def turn_away(self) -> None:
        """Admits no other, and closes the connections of those that were admitted."""
        with self._changed:
            for connection in self._callers.values():
                connection.close()
            self._token, self._callers = None, {}

    def close(self) -> None:
        """Stops listening."""
        self._closed = True
        for each in self._sockets:
            # A close alone would not wake the thread that waits in accept().
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, address = listening.accept()
            except OSError:
                if self._closed:
                    return
                time.sleep(_PAUSE_SECONDS)
                continue
            token = self._token
            if token is None:
                connection.close()
                continue
            # In a thread of its own: a stranger that sends nothing keeps nobody waiting.
            threading.Thread(
                target=self._greet,
                args=(connection, token, address),
                daemon=True,
                name="rnn_core greeting",
            ).start()

    def _greet(self, connection: socket.socket, token: bytes, address: Any) -> None:
        try:
            caller = answer(connection, token, self._worker)
        except (RefusedError, OSError) as error:
            # Somebody who closed at once may have asked whether this worker can be reached.
            level = logging.WARNING if isinstance(error, WrongTokenError) else logging.DEBUG
            logger.log(level, "A connection from %s was refused: %s", address, error)
            connection.close()
            return
        with self._changed:
            # One that did not hear the answer in time calls again; nobody uses its first call.
            former = self._callers.pop(caller, None)
            if former is not None:
                former.close()
            if self._token == token:
                self._callers[caller] = connection
            else:
                connection.close()
            self._changed.notify_all()
