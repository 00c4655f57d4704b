"""One worker: a process group of its own, with its output kept in a file and told line by line.

What a worker says to the one that supervises it:

    a line FINISHED          its work is done; it has little time left to end
    a line ERROR and more    why it gives up
    exit status LOST_PEER    another worker is gone: that one knows why
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
_DRAIN_SECONDS = 5.0
_KILL_SECONDS = 30.0
_POLL_SECONDS = 0.05

_LOG = logging.getLogger("rnnflow.workers")


@dataclass(frozen=True)
class WorkerCommand:
    """What is started as a worker."""

    name: str
    """For people, such as ``worker 1``."""
    command: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it: nothing is added."""
    log: Path
    """Where its output is appended; the folder must be there."""


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
        """What it said of its error."""
        self._finished_at: float | None = None
        self._log_failed = False
        self._unread: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            tied(command.command),
            env=dict(command.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
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
        """Whether its work is done: it said so, or it ended well."""
        return self._finished_at is not None

    @property
    def finished_seconds(self) -> float:
        """How long ago that was; 0 if it has not finished."""
        return 0.0 if self._finished_at is None else time.monotonic() - self._finished_at

    def poll(self) -> int | None:
        """The exit status, None while it runs. What the worker left running is ended with it."""
        if self.status is None and self._has_ended():
            self._signal(signal.SIGKILL)
            # Its last lines come first: they say whether it had finished.
            self._reader.join(_DRAIN_SECONDS)
            self.status = self._process.wait()
            if self.status == 0:
                self.finish()
        return self.status

    def finish(self) -> None:
        """Counts its work as done from now on, if it does not yet."""
        if self._finished_at is None:
            self._finished_at = time.monotonic()

    def new_lines(self) -> Iterator[str]:
        """What it wrote since the last call."""
        with contextlib.suppress(queue.Empty):
            while True:
                yield self._unread.get_nowait()

    def terminate(self) -> None:
        """Asks it to end, also if it was stopped."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Ends it at once."""
        self._signal(signal.SIGKILL)

    def _has_ended(self) -> bool:
        """Without reaping it: until then nothing else can get the number of its group."""
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, flags) is not None

    def _signal(self, number: signal.Signals) -> None:
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._write(time.strftime("-- started at %Y-%m-%dT%H:%M:%SZ\n", time.gmtime()).encode())
            for line in iter(lambda: output.readline(_LONGEST_LINE_BYTES), b""):
                self._write(line)
                self._take(line.decode(errors="replace").rstrip())

    def _write(self, line: bytes) -> None:
        try:
            with self.command.log.open("ab") as log:
                log.write(line)
        except OSError as error:
            # A disk that is full must not stop a worker at its next line.
            if not self._log_failed:
                _LOG.warning("%s cannot be written: %s.", self.command.log, error.strerror)
            self._log_failed = True

    def _take(self, line: str) -> None:
        self.last_lines.append(line)
        if line == FINISHED:
            self.finish()
        if line.startswith(ERROR):
            self.error = line.removeprefix(ERROR)
        self._unread.put(line)


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
        _LOG.warning("The system does not end %s, which hangs in it; going on without.", names)


def _ended(workers: Sequence[WorkerProcess], seconds: float) -> bool:
    """Whether all have ended after so many seconds at most."""
    deadline = time.monotonic() + seconds
    while any(worker.poll() is None for worker in workers):
        if time.monotonic() >= deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True
