"""What a training worker is told, and how it says what went wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from components.artifacts.values import Examples
from components.config import ModelConfig, OptimizerConfig, TrainingConfig
from components.errors import (
    NotFoundError,
    RegistryError,
    RnnflowError,
    StorageError,
    TrainingError,
    UserError,
)
from components.training.job import (
    FINAL_ERRORS,
    TrainingJob,
    load_job,
    logs_of,
    save_job,
    status_of,
    training_command,
)
from components.training.steps import Steps
from components.workers.worker_process import LOST_PEER

JOB = TrainingJob(
    Examples("/work/examples", "d"),
    ModelConfig(units=(8, 4), optimizer=OptimizerConfig(clip_norm=None)),
    TrainingConfig(workers=3, early_stopping_patience_steps=None),
    7,
    Steps(10, 10, 5, None),
)


def test_a_job_reads_back_equal(tmp_path: Path) -> None:
    assert load_job(save_job(JOB, tmp_path)) == JOB


def test_what_is_no_job_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text('{"seed": 7}')
    with pytest.raises(ValidationError):
        load_job(path)


def test_the_workers_are_told_the_file_and_log_beside_it() -> None:
    path = Path("/work/model.partial/job.json")
    assert training_command(path)[1:] == ("-m", "components.training.worker", str(path))
    assert logs_of(path) == Path("/work/model.partial/logs")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TrainingError("x"), TrainingError),
        (StorageError("x"), StorageError),
        (NotFoundError("x"), UserError),
        (RegistryError("x"), TrainingError),
    ],
)
def test_an_error_that_would_come_again_is_known_by_the_exit_status(
    error: RnnflowError, kind: type[RnnflowError]
) -> None:
    assert FINAL_ERRORS[status_of(error)] is kind


def test_no_status_of_an_error_means_anything_else() -> None:
    assert {*FINAL_ERRORS}.isdisjoint({0, 1, 2, LOST_PEER, 128 + 15})
