"""The process: its socket, and its end in good order."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from types import FrameType

import uvicorn

from components.errors import UserError
from components.serving.app import Service, make_app

_LOG = logging.getLogger("rnnflow.serving")

# With the time in which it still takes requests below the 30 s that Kubernetes gives a pod.
ANSWER_SECONDS = 20
"""How long requests in flight are waited for at the end; what is left then is cut off."""
_LOG_SECONDS = 2.0
"""How long the log of answers may take to write the last of them."""
_LOAD_SECONDS = 5.0
"""How long a version that is being loaded at the end is waited for."""


def bind(host: str, port: int) -> socket.socket:
    """A socket that is bound, and not yet listening: nobody is told to wait while a model loads.

    Raises:
        UserError: the address is not this machine's, or the port is taken.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        try:
            # Connections of a server that has just ended do not keep the next one from the port.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
        except BaseException:
            listener.close()
            raise
    except OSError as error:
        raise UserError(
            f"cannot listen at {host}:{port} ({error.strerror or error}): give another address or "
            "port with --host and --port; --port 0 finds a free one."
        ) from None
    return listener


class _Server(uvicorn.Server):
    """On SIGTERM says that it is not ready, takes requests a while longer, then ends with 0.

    Who sends requests, such as a load balancer, needs that while to hear of it.
    """

    def __init__(self, config: uvicorn.Config, service: Service, drain_seconds: float) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds
        self._end_at: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal begins the end, a second one hastens it."""
        del frame
        if self._end_at is not None:
            self.should_exit, self.force_exit = True, self.should_exit
            return
        self._service.is_draining = True
        # Who presses Ctrl-C waits for nobody.
        wait = self._drain_seconds if sig == signal.SIGTERM else 0.0
        self._end_at = time.monotonic() + wait

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listens, and says so."""
        await super().startup(sockets)
        model = self._service.host.model
        for listener in sockets or ():
            host, port = listener.getsockname()[:2]
            address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
            _LOG.info("%s version %d answers at %s", model.name, model.version, address)
            _LOG.info("%s/docs shows how to ask", address)

    async def on_tick(self, counter: int) -> bool:
        """Is called ten times a second."""
        if self._end_at is not None and time.monotonic() >= self._end_at:
            self.should_exit = True
        return await super().on_tick(counter)


def run(service: Service, listener: socket.socket, drain_seconds: float) -> None:
    """Answers requests until a signal ends it.

    Args:
        service: with a model that is loaded.
        listener: the bound socket.
        drain_seconds: how long after SIGTERM requests are still taken.
    """
    config = uvicorn.Config(
        make_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        lifespan="off",
        # Longer than the 60 s of usual load balancers: otherwise one may send a request on a
        # connection that is just being closed.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=ANSWER_SECONDS,
    )
    server = _Server(config, service, drain_seconds)
    server.run(sockets=[listener])
    if service.log is not None:
        service.log.close(_LOG_SECONDS)
    if not service.host.close(_LOAD_SECONDS):
        # TensorFlow is at work in a thread, which Python would end in the middle.
        logging.shutdown()
        os._exit(0)
