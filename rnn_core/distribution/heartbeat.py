"""Heartbeats: each task writes a small file that the other tasks read.

``model_dir/workers/worker-1.json`` holds the state of a task, its step, and a counter that grows
while the process lives. So a chief knows when all others are done, an evaluator when the training
has ended, and an error can name the tasks that stalled. Clocks of different machines are never
compared: a reader measures, on its own clock, how long a file has not changed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any, Final, Literal, TypeAlias

from rnn_core.storage.files import FilePath, join, make_directory, read_text, write_text

logger = logging.getLogger("rnn_core")

State: TypeAlias = Literal["running", "done", "interrupted", "failed"]

_DIRECTORY: Final = "workers"
_BEAT_SECONDS: Final = 2.0
"""Between two writes of a file: a reader waits for twice as long before it calls a task stalled."""
_POLL_SECONDS: Final = 0.05


def directory_of(model_dir: str) -> str:
    """Where the workers of a training leave word for each other."""
    return join(model_dir, _DIRECTORY)


class Heartbeat:
    """Writes the heartbeat file of one task from a thread, for as long as it is entered.

    A failed write is ignored: the training itself does not depend on the file, only error texts and
    the end of the run do.
    """

    def __init__(self, model_dir: str, task: str) -> None:
        self.directory = directory_of(model_dir)
        self.step = 0
        self._task = task
        self._state: State = "running"
        self._count = 0
        # Two threads write the file: the one that repeats, and the one that says how the task
        # ended.
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def entered(self) -> Iterator[Heartbeat]:
        """``running`` inside; after it the state of ``leave_together``, ``done`` or ``failed``."""
        thread = threading.Thread(target=self._repeat, daemon=True, name="rnn_core heartbeat")
        # Before the first beat is due, so that the end of an earlier run is overwritten at once.
        self._write("running")
        thread.start()
        try:
            yield self
            if self._state == "running":
                self._write("done")
        except BaseException:
            self._write("failed")
            raise
        finally:
            self._ended.set()
            thread.join()

    def _repeat(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self._write()

    def _write(self, state: State | None = None) -> None:
        """Writes a new state, or the last one again: never an older one than another thread did."""
        with self._lock, contextlib.suppress(OSError):
            self._state = state or self._state
            self._count += 1
            make_directory(self.directory)
            record = {"state": state, "step": self.step, "count": self._count}
            write_text(join(self.directory, f"{self._task}.json"), json.dumps(record))

    def leave_together(self, state: State, tasks: list[str], timeout_seconds: float) -> None:
        """Writes the final ``state``; returns when no task of ``tasks`` runs, or at the timeout.

        A process that exits early closes connections from which the others may still be reading.
        """
        self._write(state)
        deadline = time.monotonic() + timeout_seconds
        while running := [task for task in tasks if read_state(self.directory, task) == "running"]:
            if time.monotonic() > deadline:
                logger.warning(
                    "Exiting after %g s although %s still run.", timeout_seconds, ", ".join(running)
                )
                return
            time.sleep(_POLL_SECONDS)


def read_state(directory: FilePath, task: str) -> str | None:
    """The last state that a task wrote; None if it never wrote one."""
    record = _record(join(directory, f"{task}.json"))
    return None if record is None else str(record["state"])


def stalled_tasks(model_dir: str, tasks: list[str]) -> list[str]:
    """The ``tasks`` that write nothing within two heartbeats, each with its last step. Blocks."""
    watchers = {task: HeartbeatWatcher(model_dir, task) for task in tasks}
    deadline = time.monotonic() + 2 * _BEAT_SECONDS
    while watchers and time.monotonic() < deadline:
        watchers = {
            task: watcher for task, watcher in watchers.items() if watcher.poll()[0] is None
        }
        time.sleep(_POLL_SECONDS)
    return [f"{task} (at step {watcher.step})" for task, watcher in watchers.items()]


def _record(path: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(read_text(path))
    # Not written yet, or seen in part on a file system that does not rename atomically.
    except (OSError, json.JSONDecodeError):
        return None
    return found


class HeartbeatWatcher:
    """Watches the heartbeat file of another task, on the clock of the reader alone."""

    def __init__(self, model_dir: str, task: str) -> None:
        self._path = join(directory_of(model_dir), f"{task}.json")
        self._last = _record(self._path)
        self._seen_at = time.monotonic()
        self._has_changed = False
        self.first = None if self._last is None else str(self._last["state"])
        """The state when the watcher was made, perhaps of an earlier run, or None."""

    @property
    def step(self) -> int:
        """The last global step that the task wrote."""
        return 0 if self._last is None else int(self._last["step"])

    def poll(self) -> tuple[str | None, float]:
        """Reads the file.

        Returns:
            The state, None as long as the file has not changed since this watcher was made (it may
            be of an earlier run); and the seconds for which the file has not changed.
        """
        record = _record(self._path)
        # Any difference counts: the counter makes each beat differ, also while the step stands
        # still.
        if record != self._last:
            self._last, self._seen_at, self._has_changed = record, time.monotonic(), True
        state = str(record["state"]) if record is not None and self._has_changed else None
        return state, time.monotonic() - self._seen_at
