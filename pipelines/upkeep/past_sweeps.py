"""What a sweep says of itself on disk, and which past sweeps need not be kept.

A sweep holds the lock of its directory as long as it goes on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final, Literal, TypeAlias

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass as validated

from components.artifacts.storage import locked_file, write_atomically
from components.config import RetentionConfig
from components.tracking.journal import Journal
from pipelines.work_directory import JOURNAL, WorkDirectory

SweepStatus: TypeAlias = Literal["running", "finished", "failed", "interrupted", "killed"]

STATE: Final = "state.json"
LOCK: Final = "lock"
DATABASE: Final = "optuna.db"
"""Beside the directories of the sweeps: what each has tried."""
_DAY_SECONDS: Final = 86_400


@validated(frozen=True)
class SweepState:
    """How far a sweep is, or how it ended."""

    name: str
    """Of the model."""
    status: SweepStatus
    metric: str
    trials: int
    """How many there are to be."""
    finished: int = 0
    """Trained to their end, or ended early because others were better."""
    failed: int = 0
    running: int = 0
    best: float | None = None


_STATES: Final = TypeAdapter(SweepState)


def save_state(directory: Path, state: SweepState) -> None:
    """Writes the state of a sweep."""
    write_atomically(directory / STATE, _STATES.dump_json(state, indent=2))


def find_state(directory: Path) -> SweepState | None:
    """The state of a sweep; None if it has written none yet."""
    file = directory / STATE
    return _STATES.validate_json(file.read_bytes()) if file.is_file() else None


def sweep_directories(work: WorkDirectory) -> list[Path]:
    """Those of all sweeps, the one that did something last at the end."""
    found = [path for path in work.sweeps.glob("*") if path.is_dir()]
    return sorted(found, key=_last_change)


def is_in_progress(directory: Path) -> bool:
    """Whether a process of this machine works on the sweep."""
    try:
        with locked_file(directory / LOCK, wait=False):
            return False
    except BlockingIOError:
        return True


def recover_sweeps(work: WorkDirectory) -> int:
    """Marks the sweeps that were killed, here and in MLflow, which gets what is unsent of them."""
    if not any(work.sweeps.glob(f"*/{JOURNAL}")):
        return 0
    # Here, as it loads MLflow, which most work directories need not for this.
    from components.tracking import recovery

    on_killed = functools.partial(_save_killed, work)
    return recovery.recover_sweeps(work.sweeps, work.tracking_uri, work.id, on_killed)


def _save_killed(work: WorkDirectory, sweep: str) -> None:
    if (state := find_state(work.sweeps / sweep)) is not None:
        save_state(work.sweeps / sweep, dataclasses.replace(state, status="killed", running=0))


def split_sweeps(
    work: WorkDirectory, limits: Mapping[str, RetentionConfig], named: Collection[str]
) -> tuple[list[Path], list[Path]]:
    """The directories of the sweeps that stay, and of those beyond the limits.

    Args:
        work: the work directory.
        limits: by name of the model; the sweeps of all other names stay.
        named: sweeps whose best settings a run has that stays.
    """
    newer = dict.fromkeys(limits, 0)
    staying, excess = [], []
    for directory in reversed(sweep_directories(work)):
        state = find_state(directory)
        name = state.name if state else directory.name.rpartition("-")[0]
        # One that runs by its own word may do so on a machine whose lock does not reach here.
        is_running = state is not None and state.status == "running"
        stays = is_running or directory.name in named or name not in limits
        if name in limits:
            age_days = (time.time() - _last_change(directory)) / _DAY_SECONDS
            stays = stays or limits[name].keeps(newer[name], age_days)
            newer[name] += 1
        # Those of which MLflow has not heard everything stay, too.
        if stays or Journal(directory / JOURNAL).unsent() or is_in_progress(directory):
            staying.append(directory)
        else:
            excess.append(directory)
    return staying, excess


def remove_sweep(directory: Path) -> None:
    """Removes a sweep that is over, with what it has tried; one that goes on again is left."""
    with contextlib.suppress(BlockingIOError), locked_file(directory / LOCK, wait=False):
        # The directory last: as long as it is there, the next start finds what is left to do.
        _forget_study(directory.parent / DATABASE, directory.name)
        shutil.rmtree(directory, ignore_errors=True)


def _forget_study(database: Path, name: str) -> None:
    if not database.is_file():
        return
    # Here, as it takes a second, and few work directories have sweeps.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with contextlib.suppress(KeyError):  # there is none of that name any more
        optuna.delete_study(study_name=name, storage=f"sqlite:///{database}")


def _last_change(directory: Path) -> float:
    return max(map(_modified, (directory / JOURNAL, directory / STATE)))


def _modified(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0
