"""The job of the training workers: a file in the directory that the model is built in."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from components.artifacts.storage import write_atomically
from components.artifacts.values import Examples
from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.errors import RnnflowError, StorageError, TrainingError, UserError
from components.training.selection import Selection
from components.training.steps import Steps

LOGS = "logs"
"""Folder of a model directory with a log per worker."""

# The exit statuses of <sysexits.h>, which Python itself and the shell do not use.
FINAL_ERRORS: Mapping[int, type[RnnflowError]] = {
    os.EX_USAGE: UserError,
    os.EX_IOERR: StorageError,
    os.EX_SOFTWARE: TrainingError,
}
"""Errors that a restart does not help against, by the exit status of the worker."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrainingJob:
    """The inputs of one fit, equal for all of its workers."""

    examples: Examples
    model: ModelConfig
    training: TrainingConfig
    seed: int
    steps: Steps
    """How long it is."""
    rows: Selection = Selection(("train",))
    """What it is trained on."""
    held_out: Selection | None = Selection(("validation",))
    """What each checkpoint is evaluated on; None: it is not."""
    name: str = ""
    """Tells it from the other fits of a model: of its folder, below the model's, and of its lines
    in the history. That of the first is empty."""
    launch: LaunchConfig = LaunchConfig()
    on_disk: bool = False
    """Whether its batches are read from disk, one by one, and no rows held in memory."""


_JOBS = TypeAdapter(TrainingJob)


def save_job(job: TrainingJob, directory: Path) -> Path:
    """Writes the job into the directory of the model, beside those of its other fits."""
    path = directory / (f"job-{job.name}.json" if job.name else "job.json")
    write_atomically(path, _JOBS.dump_json(job, indent=2))
    return path


def load_job(path: Path) -> TrainingJob:
    """Reads what ``save_job`` wrote.

    Raises:
        ValueError: it is no such file.
    """
    return _JOBS.validate_json(path.read_bytes())


def logs_of(job: Path) -> Path:
    """The folder of the workers' logs."""
    return job.parent / LOGS


def training_command(job: Path) -> tuple[str, ...]:
    """The command of every worker of a job."""
    return (sys.executable, "-m", "components.training.worker", str(job))


def status_of(error: RnnflowError) -> int:
    """The exit status of a worker that gives up because of one of ``FINAL_ERRORS``."""
    known = (status for status, kind in FINAL_ERRORS.items() if isinstance(error, kind))
    return next(known, os.EX_SOFTWARE)
