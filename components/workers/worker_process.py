"""One worker: a process group of its own, with its output kept in a file and read line by line.

What a worker reports to its supervisor:

    a line FINISHED          its work is done; it has little time left to exit
    a line ERROR and more    why it gives up
    exit status LOST_PEER    another worker was lost: the cause is there
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.runtime.subprocesses import tied

FINISHED = "rnnflow worker: finished"
ERROR = "rnnflow worker: error: "
LOST_PEER = os.EX_UNAVAILABLE

_KEPT_LINES = 10
_LONGEST_LINE_BYTES = 65_536
"""A longer line is cut in two, so that output without line ends takes no unbounded memory."""
_DRAIN_SECONDS = 5.0
"""How long the last output of a worker that has ended is waited for; a child may hold its pipe."""
_KILL_SECONDS = 30.0
"""How long SIGKILL is waited for; a process that is stuck in a system call may never end."""
_POLL_SECONDS = 0.05

_LOG = logging.getLogger("rnnflow.workers")


@dataclass(frozen=True)
class WorkerCommand:
    """What to start as a worker."""

    name: str
    """For people, such as ``worker 1``."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it: nothing is added."""
    log: Path
    """Its output is appended to this file, whose folder must exist."""


class WorkerProcess:
    """A worker that runs, in its own session; it never outlives this process (on Linux).

    Raises:
        OSError: the system has no room for another process.
    """

    def __init__(self, command: WorkerCommand) -> None:
        self.command = command
        self.status: int | None = None
        """As ``subprocess`` has it, negative for a signal; None while it runs."""
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self.error: str | None = None
        """What it printed of its error."""
        self._finished_at: float | None = None
        self._log_failed = False
        self._unread: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            tied(command.command),
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            # Ctrl-C in the terminal reaches this process alone, which ends the workers in order. A
            # signal to the worker's group reaches all that it started.
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def name(self) -> str:
        """The worker's, for people."""
        return self.command.name

    @property
    def has_finished(self) -> bool:
        """Whether its work is done: it printed so, or its exit status was 0."""
        return self._finished_at is not None

    @property
    def finished_seconds(self) -> float:
        """How long ago that was; 0 if it has not finished."""
        return 0.0 if self._finished_at is None else time.monotonic() - self._finished_at

    def poll(self) -> int | None:
        """The exit status, None while it runs. What the worker left running is ended with it."""
        ended = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if self.status is None and os.waitid(os.P_PID, self._process.pid, ended) is not None:
            # Before it is reaped: until then no other process can get the id of its group.
            self._signal(signal.SIGKILL)
            # Its last lines come first: they say whether it had finished.
            self._reader.join(_DRAIN_SECONDS)
            self.status = self._process.wait()
            if self.status == 0:
                self.finish()
        return self.status

    def finish(self) -> None:
        """Counts its work as done from now on, unless it already does."""
        if self._finished_at is None:
            self._finished_at = time.monotonic()

    def new_lines(self) -> Iterator[str]:
        """What it wrote since the last call."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._unread.get_nowait()

    def terminate(self) -> None:
        """Asks it to exit, also if it is suspended."""
        # SIGTERM first: it waits while the process is suspended, and SIGCONT delivers it.
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._write(time.strftime("-- started at %Y-%m-%dT%H:%M:%SZ\n", time.gmtime()).encode())
            for data in iter(lambda: output.readline(_LONGEST_LINE_BYTES), b""):
                self._write(data)
                line = data.decode(errors="replace").rstrip()
                self.last_lines.append(line)
                if line == FINISHED:
                    self.finish()
                if line.startswith(ERROR):
                    self.error = line.removeprefix(ERROR)
                self._unread.put(line)

    def _write(self, line: bytes) -> None:
        try:
            with self.command.log.open("ab") as log:
                log.write(line)
        except OSError as error:
            # A disk that is full must not stop a worker at its next line.
            if not self._log_failed:
                _LOG.warning("%s cannot be written: %s.", self.command.log, error.strerror)
            self._log_failed = True


def end_all(workers: Sequence[WorkerProcess], grace_seconds: float) -> None:
    """Ends all workers that still run: SIGTERM, and SIGKILL after the grace period."""
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        worker.terminate()
    _ended(running, grace_seconds)
    for worker in running:
        worker.kill()
    if not _ended(running, _KILL_SECONDS):
        names = ", ".join(worker.name for worker in running if worker.status is None)
        _LOG.warning(
            "%s did not exit after SIGKILL (stuck in a system call); continuing without.", names
        )


def _ended(workers: Sequence[WorkerProcess], seconds: float) -> bool:
    """Whether all have ended after so many seconds at most."""
    deadline = time.monotonic() + seconds
    while any(worker.poll() is None for worker in workers):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
