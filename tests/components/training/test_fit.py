"""A fit in one process; ``test_model`` has what becomes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.history import HISTORY
from components.artifacts.values import Examples
from components.config import LaunchConfig, ModelConfig, OptimizerConfig, TrainingConfig
from components.errors import NotFoundError, TrainingError
from components.training.estimator import CHECKPOINTS
from components.training.fit import BEST, fit
from components.training.fits import first_job
from tests.components.conftest import Prepared

TRAINING = TrainingConfig(batch_size=16, max_steps=4, evaluate_every_steps=2, log_every_steps=2)


def _fit(
    examples: Examples, directory: Path, model: ModelConfig, training: TrainingConfig = TRAINING
) -> list[tuple[int, list[str]]]:
    told: list[tuple[int, list[str]]] = []
    fit(
        first_job(examples, model, training, 7, LaunchConfig()),
        directory,
        lambda step, metrics: told.append((step, sorted(metrics))),
    )
    return told


def test_a_fit_leaves_checkpoints_the_best_one_and_a_history(
    mixed: Prepared, tmp_path: Path
) -> None:
    told = _fit(mixed.examples, tmp_path, ModelConfig(units=(4,)))
    evaluated = ["validation/accuracy", "validation/average_loss", "validation/macro_f1"]
    assert sorted(told) == [
        (2, ["train/loss"]),
        (2, evaluated),
        (4, ["train/loss"]),
        (4, evaluated),
    ]
    assert (tmp_path / CHECKPOINTS / "model.ckpt-4.index").is_file()
    assert list((tmp_path / CHECKPOINTS / "export" / BEST).glob("model.ckpt-*.index"))
    assert len((tmp_path / HISTORY).read_text().splitlines()) == len(told)


def test_an_error_of_the_estimator_is_one_of_training(mixed: Prepared, tmp_path: Path) -> None:
    diverging = ModelConfig(
        units=(4,), optimizer=OptimizerConfig("sgd", learning_rate=3e38, clip_norm=None)
    )
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        _fit(mixed.examples, tmp_path, diverging)


def test_examples_that_are_gone_are_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="none"):
        _fit(Examples(str(tmp_path / "none"), "d"), tmp_path, ModelConfig(units=(4,)))
