"""A door in front of a real server: shut, it is a server that is away, on the same address."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType
from typing import Literal, Self
from urllib.parse import urlsplit, urlunsplit

State = Literal["open", "shut", "silent", "failing"]
"""``shut`` refuses connections, ``silent`` never answers, ``failing`` answers 500."""

_ANSWER = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Door:
    """Passes bytes on to a server as long as it is open; whatever is connected ends when it is not.

    Args:
        address: of the server, such as ``http://127.0.0.1:4200/api``.
    """

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        assert parts.hostname is not None
        assert parts.port is not None
        self._server = (parts.hostname, parts.port)
        self._state: State = "open"
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        self._port = 0
        self.requests = 0
        """Connections while the door was not open."""
        self._listen()
        self.address = urlunsplit(parts._replace(netloc=f"127.0.0.1:{self._port}"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.set("shut")

    def set(self, state: State) -> None:
        """Changes what happens to those who come, and ends what is connected."""
        with self._lock:
            self._state = state
            ended, self._connections = self._connections, set()
        if state == "shut":
            self._end_listening()
        elif self._listener is None:
            self._listen()
        for connection in ended:
            _close(connection)

    def _listen(self) -> None:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(64)
        self._port = int(listener.getsockname()[1])
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _end_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            _close(listener)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._lock:
            state = self._state
            self._connections.add(client)
            self.requests += state != "open"
        with contextlib.suppress(OSError):
            if state == "open":
                self._connect(client)
            elif state == "failing":
                client.recv(65_536)
                client.sendall(_ANSWER)
                _close(client)

    def _connect(self, client: socket.socket) -> None:
        server = socket.create_connection(self._server)
        with self._lock:
            self._connections.add(server)
        threading.Thread(target=_pass_on, args=(server, client), daemon=True).start()
        _pass_on(client, server)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for each in (source, target):
        _close(each)


def _close(connection: socket.socket) -> None:
    # Shut down first: another thread may be waiting in it, and close alone does not wake it.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
