"""A Prefect server for the time of one run, where the settings of Prefect name none.

Prefect would start one itself, but only when the flow begins, after it has imported the whole
server into this process. This one starts while other imports go on, and never outlives the run.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

from components.errors import RnnflowError
from components.runtime.subprocesses import tied
from components.workers.local_cluster import HOST, free_ports

_POLL_SECONDS: Final = 0.05
_END_SECONDS: Final = 5.0
_ATTEMPTS: Final = 3
"""Another process may take a port that was free."""


@contextlib.contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """A server for the flow runs inside; yields a function that blocks until the server is ready.

    Nothing is started if Prefect's settings name a server, or forbid to start one.

    Raises:
        RnnflowError: by the yielded function, if the server does not start.
    """
    # Imported here, so that an error in the config is reported before the slow import.
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_UI_URL,
        get_current_settings,
        temporary_settings,
    )

    settings = get_current_settings()
    # Without a server and with none allowed, Prefect itself says so when the flow begins.
    if settings.api.url is not None or not settings.server.ephemeral.enabled:
        yield lambda: None
        return
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_TemporaryServer())
        limit_seconds = settings.server.ephemeral.startup_timeout_seconds

        def wait() -> None:
            server.wait(limit_seconds)
            # The server has no web pages, so the flow run must not link to one.
            updates = {PREFECT_API_URL: server.address, PREFECT_UI_URL: ""}
            stack.enter_context(temporary_settings(updates))

        yield wait


class _TemporaryServer:
    """``prefect server start``, started when this is created and ended on exit."""

    def __init__(self) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115  (closed on exit)
        self._start()

    def __enter__(self) -> _TemporaryServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def wait(self, limit_seconds: float) -> None:
        """Returns once the server answers. Raises RnnflowError if it does not in time."""
        # Only a server that has ended is started again: one that is slow may still be importing.
        deadline, attempts = time.monotonic() + limit_seconds, 1
        while not self._answers():
            if self._process.poll() is not None and attempts < _ATTEMPTS:
                attempts += 1
                self._start()
            elif self._process.poll() is not None or time.monotonic() > deadline:
                raise RnnflowError(self._start_error(limit_seconds))
            time.sleep(_POLL_SECONDS)

    def _start(self) -> None:
        (port,) = free_ports(1)
        self.address = f"http://{HOST}:{port}/api"
        program = str(Path(sys.executable).parent / "prefect")
        start = [program, "server", "start", "--host", HOST, "--port", str(port)]
        # A session of its own: Ctrl-C must end the run alone, which still reports to the server.
        # No services: they start scheduled runs and mark late ones, and this server has one run.
        self._process = subprocess.Popen(
            tied([*start, "--no-services", "--no-ui"]),
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.address}/health"):
            # Another program may have taken the port and answer in its place.
            return self._process.poll() is None
        return False

    def _start_error(self, limit_seconds: float) -> str:
        status = self._process.poll()
        how = f"ended with status {status}" if status is not None else "does not answer"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()[-5:]
        return (
            f"expected a Prefect server within {limit_seconds:.0f} s; the one that this run "
            f"started at {self.address} {how}. Start one with `prefect server start` and set "
            "PREFECT_API_URL to it, or allow more time with "
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS."
            + "".join(f"\n  {line}" for line in lines)
        )
