"""Small programs that stand in for training workers."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from components.workers.worker_process import WorkerCommand

_PROLOGUE = """
import os, pathlib, signal, subprocess, sys, time
with open("pids", "a") as pids:
    pids.write(f"{os.getpid()}\\n")
"""
_PATIENCE_SECONDS = 300.0

SLEEP = "time.sleep(600)"
IGNORE_SIGTERM = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"


def program(folder: Path, text: str) -> tuple[str, ...]:
    """A command that notes its process in ``folder/pids`` and runs the text."""
    return (sys.executable, "-u", "-c", f"import os; os.chdir({str(folder)!r})\n{_PROLOGUE}{text}")


def worker(folder: Path, text: str, index: int = 0) -> WorkerCommand:
    log = folder / f"worker-{index}.log"
    return WorkerCommand(f"worker {index}", program(folder, text), dict(os.environ), log)


def wait_for(condition: Callable[[], bool]) -> None:
    """Until it holds; an error if it does not for five minutes."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.01)


def processes(folder: Path) -> list[int]:
    """Those that were started, in order."""
    path = folder / "pids"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def runs(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def children_of(pid: int) -> set[int]:
    """The processes that any thread of a process has started, and that are not reaped."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        # A thread may end at any moment.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found |= set(map(int, (task / "children").read_text().split()))
    return found


def none_left(folder: Path) -> bool:
    return not any(runs(pid) for pid in processes(folder))
