"""What each worker says of itself, in small files that the others can read.

``model_dir/workers/worker-1.json`` holds the state of a task, its step, and a count that goes up
while the process lives. So a chief knows when all others are done, an evaluator when the training
has ended, and an error can say who stood still. The clocks of machines are never compared: a reader
looks at what has changed.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from rnn_core.storage.files import write_text

logger = logging.getLogger("rnn_core")

State: TypeAlias = Literal["running", "done", "interrupted", "failed"]

_DIRECTORY: Final = "workers"
_EVERY_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.05


class Presence:
    """Writes the file of one task from a thread, for as long as it is entered.

    A file that cannot be written is left alone: nothing but error texts and ends depend on it.
    """

    def __init__(self, model_dir: str, task: str) -> None:
        self.directory = Path(model_dir) / _DIRECTORY
        self.step = 0
        self._task = task
        self._state: State = "running"
        self._count = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()

    @contextlib.contextmanager
    def entered(self) -> Iterator[Presence]:
        """Running inside, then what ``leave_together`` said or done; failed after an error."""
        thread = threading.Thread(target=self._repeat, daemon=True, name="rnn_core presence")
        self._say("running")
        thread.start()
        try:
            yield self
            if self._state == "running":
                self._say("done")
        except BaseException:
            self._say("failed")
            raise
        finally:
            self._ended.set()
            thread.join()

    def _repeat(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            self._say(self._state)

    def _say(self, state: State) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._state = state
            self._count += 1
            self.directory.mkdir(parents=True, exist_ok=True)
            record = {"state": state, "step": self.step, "count": self._count}
            write_text(self.directory / f"{self._task}.json", json.dumps(record))

    def leave_together(self, state: State, tasks: list[str], timeout_seconds: float) -> None:
        """Says that this task has ended so, and returns when all ``tasks`` have, or after a time.

        Whoever leaves first takes along what the others may still be reading from it.
        """
        self._say(state)
        deadline = time.monotonic() + timeout_seconds
        while missing := [task for task in tasks if read(self.directory, task) == "running"]:
            if time.monotonic() > deadline:
                logger.warning("Leaving before %s, after %g s.", missing, timeout_seconds)
                return
            time.sleep(_POLL_SECONDS)


def read(directory: Path, task: str) -> str | None:
    """The state of a task; None if it never said anything."""
    record = _record(directory / f"{task}.json")
    return None if record is None else str(record["state"])


def silent_tasks(model_dir: str, tasks: list[str]) -> list[str]:
    """Those of ``tasks`` that write nothing while this waits for it, each with its last step."""
    watches = {task: Watch(model_dir, task) for task in tasks}
    deadline = time.monotonic() + 2 * _EVERY_SECONDS
    while watches and time.monotonic() < deadline:
        watches = {task: watch for task, watch in watches.items() if watch.look()[0] is None}
        time.sleep(_POLL_SECONDS)
    return [f"{task} (at step {watch.step})" for task, watch in watches.items()]


def _record(path: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return None
    return found


class Watch:
    """Watches another task by its file; reading it takes no clock but the watcher's."""

    def __init__(self, model_dir: str, task: str) -> None:
        self._path = Path(model_dir) / _DIRECTORY / f"{task}.json"
        self._last = _record(self._path)
        self._seen_at = time.monotonic()
        self._moved = False
        self.first = None if self._last is None else str(self._last["state"])
        """The state when the watch began, perhaps of an earlier run; None if there was none."""

    @property
    def step(self) -> int:
        """Where the task was last."""
        return 0 if self._last is None else int(self._last["step"])

    def look(self) -> tuple[str | None, float]:
        """The state, None if it is from before this watch; and for how long nothing changed."""
        record = _record(self._path)
        if record != self._last:
            self._last, self._seen_at, self._moved = record, time.monotonic(), True
        state = str(record["state"]) if record is not None and self._moved else None
        return state, time.monotonic() - self._seen_at
