"""Real clusters of processes on this machine, ended whatever happens."""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from tests.measured import MEASURED
from tests.rnn_core.distribution import forked

ROOT = Path(__file__).parents[3]
ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def free_ports(count: int) -> list[int]:
    """Ports that nobody has now, below those that the system gives to outgoing connections."""
    with contextlib.ExitStack() as stack:
        ports: list[int] = []
        # Far from those of a process that began beside this one: until a task listens, its port
        # looks free, and a server of TensorFlow that another cluster's task calls may crash.
        candidate = 20000 + 97 * os.getpid() % 12000
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
    """A process of a cluster, with all that it printed.

    It is forked from a process in which the libraries are loaded, and nothing else: loading
    TensorFlow takes half of the time of such a task. TensorFlow makes its threads and its state at
    the first operation, and so after the fork: ``test_clusters`` watches that.
    """

    def __init__(
        self,
        name: str,
        program: str,
        arguments: Sequence[Any],
        place: Any,
        log: Path,
        host: str | None,
    ) -> None:
        self.name, self.log = name, log
        environment = {**os.environ, **ENVIRONMENT, "TF_CONFIG": json.dumps(place)}
        self._process = _forks().Process(
            target=forked.run, args=(program, [*map(str, arguments)], environment, str(log), host)
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The process, which leads a group of its own."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, seconds: float) -> int:
        """The exit status; what it printed is shown if it does not end in time."""
        deadline = time.monotonic() + seconds
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} still runs:\n{self.text()[-4000:]}")
            time.sleep(0.05)
        return status

    def wait_for(self, text: str, seconds: float = 300) -> None:
        """Returns when it has printed ``text``."""
        deadline = time.monotonic() + seconds
        while text not in self.text():
            if self.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{self.name} never printed {text!r}:\n{self.text()[-4000:]}")
            time.sleep(0.05)

    def text(self) -> str:
        """All that it printed so far."""
        # None yet, if it has just been started.
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def signal(self, number: int) -> None:
        """Sends a signal to it alone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends it and what it started."""
        for end in (os.killpg, os.kill):  # it may lead no group yet
            with contextlib.suppress(ProcessLookupError):
                if self.poll() is None:
                    end(self.pid, signal.SIGKILL)
        self.wait(60)


@functools.cache
def _forks() -> Any:
    """Where tasks are forked from; the process is started once, and ends with this one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.rnn_core.distribution.forked"])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        # The tasks are measured, each from its start; what is only loaded here is not.
        patch.delenv(MEASURED, raising=False)
        forkserver.ensure_running()
    return context


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
