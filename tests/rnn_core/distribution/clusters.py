"""Real clusters of processes on this machine, ended whatever happens."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, below those that the system gives to outgoing connections."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        candidate = 20000 + os.getpid() % 5000
        while len(ports) < count:
            candidate += 1
            listener = stack.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                listener.bind(("", candidate))
                ports.append(candidate)
        return ports


def addresses(jobs: Mapping[str, int]) -> dict[str, list[str]]:
    """A cluster of so many tasks of each type."""
    ports = free_ports(sum(jobs.values()))
    return {job: [f"127.0.0.1:{ports.pop()}" for _ in range(count)] for job, count in jobs.items()}


class Task:
    """A process of a cluster, with all that it printed."""

    def __init__(
        self,
        name: str,
        program: str,
        arguments: Sequence[Any],
        tf_config: Any,
        log: Path,
        host: str | None,
    ) -> None:
        self.name, self.log = name, log
        environment = {
            **os.environ,
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "TF_CONFIG": json.dumps(tf_config),
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }
        inside = [] if host is None else ["ip", "netns", "exec", host]
        command = [*inside, sys.executable, "-m", f"tests.rnn_core.distribution.{program}"]
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [*command, *map(str, arguments)],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, seconds: float) -> int:
        """The exit status; what it printed is shown if it does not end in time."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs:\n{self.text()[-4000:]}") from None

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Returns when it has printed ``text``."""
        deadline = time.monotonic() + seconds
        while text not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never printed {text!r}:\n{self.text()[-4000:]}")
            time.sleep(0.05)

    def text(self) -> str:
        """All that it printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Sends a signal to it alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it and what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


@contextlib.contextmanager
def running(
    directory: Path,
    cluster: Mapping[str, Sequence[str]],
    program: str,
    arguments: Sequence[Any] = (),
    tasks: Sequence[tuple[str, int]] | None = None,
    hosts: Sequence[str] = (),
) -> Iterator[dict[str, Task]]:
    """Starts a task of ``program`` for each address of ``cluster`` (or ``tasks``), by name.

    ``hosts`` are network namespaces, one for each task.
    """
    chosen = tasks or [(job, index) for job in cluster for index in range(len(cluster[job]))]
    started: dict[str, Task] = {}
    directory.mkdir(parents=True, exist_ok=True)
    try:
        for (job, index), host in itertools.zip_longest(chosen, hosts):
            name = f"{job}-{index}"
            place = {"cluster": cluster, "task": {"type": job, "index": index}}
            log = directory / f"{name}.log"
            started[name] = Task(name, program, arguments, place, log, host)
        yield started
    finally:
        for task in started.values():
            task.kill()


def run(
    directory: Path,
    jobs: Mapping[str, int],
    program: str,
    arguments: Sequence[Any] = (),
    seconds: float = 500,
) -> dict[str, Task]:
    """Runs a cluster to its end, which must be a good one for all tasks."""
    with running(directory, addresses(jobs), program, arguments) as tasks:
        deadline = time.monotonic() + seconds
        for task in tasks.values():
            status = task.wait(max(1.0, deadline - time.monotonic()))
            assert status == 0, f"{task.name} ended with {status}:\n{task.text()[-4000:]}"
    return tasks
