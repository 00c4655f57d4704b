"""A real MLflow server for tests: a process of its own on a free loopback port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.measured import MEASURED

STARTUP_SECONDS = 180


class MlflowServer:
    """``mlflow server``; ``kill`` and ``start`` keep its port and its data.

    Args:
        directory: holds the artifacts and the log.
        database: SQLAlchemy address of its store; a SQLite file in ``directory`` by default.
    """

    def __init__(self, directory: Path, database: str | None = None) -> None:
        self._directory = directory
        self._database = database or f"sqlite:///{directory}/server.db"
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.uri = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        command = [sys.executable, "-m", "mlflow", "server", *self._options()]
        self._process = start_process(command, self._directory / "server.log")
        wait_until_answered(f"{self.uri}/health", self._process)

    def kill(self) -> None:
        """Ends the server at once, as a power cut does."""
        if self._process is not None:
            end_process(self._process)
            self._process = None

    def _options(self) -> list[str]:
        return [
            "--host=127.0.0.1",
            f"--port={self._port}",
            "--workers=1",
            f"--backend-store-uri={self._database}",
            f"--artifacts-destination={self._directory}/artifacts",
        ]


def start_process(command: list[str], log: Path, **variables: str) -> subprocess.Popen[bytes]:
    """Starts a command in a process group of its own, with what it says in a file."""
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment.pop(MEASURED, None)
    environment |= variables
    with log.open("ab") as file:
        return subprocess.Popen(
            command,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            env=environment,
        )


def end_process(process: subprocess.Popen[bytes]) -> None:
    """Kills the process and those it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until_answered(url: str, process: subprocess.Popen[bytes]) -> None:
    """Returns when the address answers; fails when the process ends or the time is up."""
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, f"the server ended with {process.returncode}"
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"{url} did not answer within {STARTUP_SECONDS} s")
