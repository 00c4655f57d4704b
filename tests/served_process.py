"""`rnnflow serve` as a process of its own, for tests that ask it over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.components.mlflow_server import end_process, free_port, start_process
from tests.measured import MEASURED
from tests.projects import RNNFLOW

SECONDS = 120.0
"""Far more than a start takes: only a server that hangs needs them."""


class Server:
    """A server in a process group of its own."""

    def __init__(
        self, directory: Path, store: str, name: str, *options: str, **variables: str
    ) -> None:
        self.log = directory / "serve.log"
        self.port = free_port()
        self.token: str | None = None
        command = [RNNFLOW, "serve", name, f"--port={self.port}", *options]
        work_dir = f"--work-dir={directory / 'work'}"
        # This server is what is tested, unlike MLflow's and Prefect's.
        measured = {MEASURED: os.environ[MEASURED]} if MEASURED in os.environ else {}
        self.process = start_process(
            [*command, work_dir], self.log, MLFLOW_TRACKING_URI=store, **measured, **variables
        )

    def wait(self) -> None:
        """Returns when it answers."""
        deadline = time.monotonic() + SECONDS
        while "answers at" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def ask(self, path: str, body: Any = None, token: str | None = None) -> tuple[int, Any]:
        """The status, and the answer: of JSON its value."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            content = None if body is None else json.dumps(body).encode()
            connection.request("GET" if body is None else "POST", path, content, headers)
            return answer_of(connection.getresponse())

    def version(self) -> int:
        return int(self.ask("/readyz")[1]["model_version"])

    def metric(self, line: str) -> float:
        """The value of a metric with its labels; 0 if it is not there."""
        _, text = self.ask("/metrics")
        found = [each for each in text.splitlines() if each.startswith(f"{line} ")]
        return float(found[0].split()[-1]) if found else 0.0

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
            # As Ctrl-C does, which waits for nobody; what is measured is saved.
            self.process.send_signal(signal.SIGINT)
            self.process.wait(SECONDS)
        with contextlib.suppress(ProcessLookupError):
            end_process(self.process)


def answer_of(response: http.client.HTTPResponse) -> tuple[int, Any]:
    """The status of a response, and its content: of JSON its value."""
    text = response.read().decode()
    is_json = response.headers.get_content_type() == "application/json"
    return response.status, json.loads(text) if is_json else text


@contextlib.contextmanager
def running(
    directory: Path, store: str, name: str, *options: str, **variables: str
) -> Iterator[Server]:
    """A server that answers, and is ended."""
    server = Server(directory, store, name, *options, **variables)
    try:
        server.wait()
        yield server
    finally:
        server.end()


def until(holds: Callable[[], bool]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
