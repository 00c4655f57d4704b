"""A real Prefect server for tests: a process of its own on a free loopback port."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.components.mlflow_server import (
    end_process,
    free_port,
    start_process,
    wait_until_answered,
)

_DRAIN_SECONDS: Final = 10.0


class PrefectServer:
    """``prefect server start``; ``kill`` and ``start`` keep its port and its data.

    Args:
        folder: its ``PREFECT_HOME``, which also holds the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._process: subprocess.Popen[bytes]
        self.address = f"http://127.0.0.1:{self._port}/api"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        program = [sys.executable, "-m", "prefect", "server", "start", "--no-ui"]
        command = [*program, "--host", "127.0.0.1", "--port", str(self._port)]
        home = {"PREFECT_HOME": str(self._folder)}
        self._process = start_process(command, self._folder / "server.log", **home)
        wait_until_answered(f"{self.address}/health", self._process)

    def kill(self) -> None:
        """Ends the server at once, as a power cut does."""
        end_process(self._process)


def end_prefect_threads() -> None:
    """Ends the threads of this process that send log lines and events, after what they have left.

    The next line and the next event start new ones, for the server that is configured then: a
    thread keeps the address of its first server, and waits for it for as long as it takes. So this
    is called while that server still answers.
    """
    from prefect.events.worker import EventsWorker
    from prefect.logging.handlers import APILogWorker

    for worker in (APILogWorker, EventsWorker):
        worker.drain_all(timeout=_DRAIN_SECONDS)
