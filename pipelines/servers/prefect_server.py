"""The Prefect server of a run: that of Prefect's settings, or one for the time of the run.

Prefect would start a server itself, but only when the flow begins, after it has imported the whole
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

from components.errors import RnnflowError, ServerAwayError, UserError
from components.runtime.subprocesses import tied
from components.tracking.journal import without_credentials
from components.workers.local_cluster import HOST, free_ports

_POLL_SECONDS: Final = 0.05
_END_SECONDS: Final = 5.0
_ATTEMPTS: Final = 3
"""Another process may take a port that was free."""
_START_WAIT_SECONDS: Final = 12.0
"""What has not begun has nothing to lose: with the last try, it says within half a minute that the
server is away."""
_REQUEST_SECONDS: Final = 7.0
"""Two tries of a server that accepts connections and never answers, and all in half a minute."""


@contextlib.contextmanager
def prefect_server() -> Iterator[Callable[[], None]]:
    """A server for the flow runs inside; yields a function that blocks until the server is ready.

    Nothing is started if Prefect's settings name a server.

    Raises:
        UserError: none is named, and the settings forbid to start one.
        RnnflowError: by the yielded function, if the server does not start or does not answer.
    """
    # Imported here, so that an error in the config is reported before the slow import.
    from prefect.settings import (
        PREFECT_API_URL,
        PREFECT_UI_URL,
        get_current_settings,
        temporary_settings,
    )

    settings = get_current_settings()
    if settings.api.url is not None:
        yield check_server
        return
    if not settings.server.ephemeral.enabled:
        raise UserError(
            "expected the address of a Prefect server in PREFECT_API_URL, because "
            "PREFECT_SERVER_EPHEMERAL_ENABLED forbids to start one. Set one of the two."
        )
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(_TemporaryServer())
        limit_seconds = settings.server.ephemeral.startup_timeout_seconds

        def wait() -> None:
            server.wait(limit_seconds)
            # The server has no web pages, so the flow run must not link to one.
            updates = {PREFECT_API_URL: server.address, PREFECT_UI_URL: ""}
            stack.enter_context(temporary_settings(updates))

        yield wait


def check_server(wait_seconds: float = _START_WAIT_SECONDS) -> None:
    """Returns once the server that Prefect's settings name has answered.

    Raises:
        ServerAwayError: it did not in time.
        UserError: it is not one that this version can use, or refuses this client.
    """
    import httpx
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL

    from pipelines.servers.patience import PATIENCE

    where = without_credentials(str(PREFECT_API_URL.value()))
    before = PATIENCE.wait_seconds
    PATIENCE.begin(wait_seconds)
    try:
        with get_client(httpx_settings={"timeout": _REQUEST_SECONDS}, sync_client=True) as client:
            client.api_version()
            client.raise_for_api_version_mismatch_once()
    except ServerAwayError:
        raise
    except (httpx.HTTPError, httpx.InvalidURL, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"expected a Prefect server at {where} that takes this client: {reason} Check "
            "PREFECT_API_URL, and PREFECT_API_AUTH_STRING if the server asks for a password."
        ) from error
    finally:
        PATIENCE.begin(before)


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
        # Only a server whose port was taken is started again: a slow one may be importing, and
        # what another one lacks it would lack again.
        deadline, attempts = time.monotonic() + limit_seconds, 1
        while not self._answers():
            if self._process.poll() is not None and self._lost_port() and attempts < _ATTEMPTS:
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

    def _lost_port(self) -> bool:
        return any("in use" in line for line in self._last_lines())

    def _last_lines(self) -> list[str]:
        self._log.seek(0)
        return self._log.read().decode(errors="replace").strip().splitlines()[-5:]

    def _start_error(self, limit_seconds: float) -> str:
        status = self._process.poll()
        how = f"ended with status {status}" if status is not None else "does not answer"
        lines = self._last_lines()
        return (
            f"expected a Prefect server within {limit_seconds:.0f} s; the one that this run "
            f"started at {self.address} {how}. Start one with `prefect server start` and set "
            "PREFECT_API_URL to it, or allow more time with "
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS."
            + "".join(f"\n  {line}" for line in lines)
        )
