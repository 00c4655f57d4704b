"""Sweeps as they leave their files and their runs in MLflow, without any training."""

from __future__ import annotations

import os
import time
from pathlib import Path

import optuna

from components.tracking.owner import Owner
from components.tracking.tracker import STATUS_TAG, SWEEP_KEY, SWEEP_TAG, Tracker
from pipelines.upkeep.past_sweeps import DATABASE, SweepState, SweepStatus, save_state
from pipelines.work_directory import JOURNAL, WorkDirectory

TRIAL_KEY = "trial-1"


def leave_sweep(
    work: WorkDirectory,
    name: str,
    number: int,
    owner: Owner,
    *,
    status: SweepStatus = "finished",
    age_days: float = 0.0,
    is_sent: bool = True,
) -> Path:
    """A sweep with one trial; of one that is still ``running`` neither has ended."""
    directory = work.sweeps / f"{name}-{number:08}"
    tracker = Tracker(directory / JOURNAL, work.tracking_uri, name, lambda: None)
    tags = {**owner.tags(), SWEEP_TAG: directory.name, STATUS_TAG: "running"}
    tracker.start_run(SWEEP_KEY, f"sweep {directory.name}", None, tags)
    tracker.start_run(TRIAL_KEY, "trial 1", SWEEP_KEY, {SWEEP_TAG: directory.name})
    is_over = status != "running"
    for key in (TRIAL_KEY, SWEEP_KEY) if is_over else ():
        tracker.end_run(key, "FINISHED", {STATUS_TAG: status})
    if is_sent:
        assert tracker.flush() == 0
    counts = (1, 0, 0) if is_over else (0, 0, 1)
    save_state(directory, SweepState(name, status, "validation/auc", 1, *counts, best=0.75))
    then = time.time() - age_days * 86_400 - 100 + number
    for path in directory.iterdir():
        os.utime(path, (then, then))
    return directory


def leave_study(work: WorkDirectory, name: str) -> str:
    """What a sweep has tried; returns the address of the database."""
    storage = f"sqlite:///{work.sweeps / DATABASE}"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    optuna.create_study(storage=storage, study_name=name)
    return storage
