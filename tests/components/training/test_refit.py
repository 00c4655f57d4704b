"""A model that is trained anew on training and validation rows, and killed on the way."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.history import HISTORY, HistoryPoint, read_history, series
from components.artifacts.training_facts import find_training_facts
from components.artifacts.values import Model
from components.config import LaunchConfig, ModelConfig, OptimizerConfig, TrainingConfig
from components.training.datasets import count
from components.training.estimator import CHECKPOINTS
from components.training.fit import fit, temperature_of, validation_answers
from components.training.fits import first_job, fold_jobs, refit_job
from components.training.train import train_model
from tests.components.conftest import Prepared
from tests.programs import LOAD_TENSORFLOW

pytestmark = pytest.mark.slow

SEED = 7
MODEL = ModelConfig(units=(4,), optimizer=OptimizerConfig(learning_rate=0.05, schedule="cosine"))
TRAINING = TrainingConfig(
    batch_size=16, max_epochs=20, evaluate_every_epochs=5, log_every_steps=5,
    early_stopping_patience_steps=None, checkpoint="last", refit=True,
    temperature_scaling=True,
)  # fmt: skip
FOLDS = dataclasses.replace(TRAINING, refit=False, folds=3, max_epochs=12, checkpoint="best")
# Of the arguments: examples, directory, and the training as JSON.
PROGRAM = """
import sys
from pathlib import Path
from pydantic import TypeAdapter
from components.artifacts.values import Examples
from components.config import TrainingConfig
from components.training.train import train_model
from tests.components.training.test_refit import MODEL, SEED
training = TypeAdapter(TrainingConfig).validate_json(sys.argv[3])
train_model(Examples(sys.argv[1], "d"), MODEL, training, SEED, directory=Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def whole(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """Both fits without a cut."""
    directory = tmp_path_factory.mktemp("whole") / "model"
    return train_model(mixed.examples, MODEL, TRAINING, SEED, directory=directory)


def _history(model: Model) -> tuple[HistoryPoint, ...]:
    return read_history(Path(model.path) / HISTORY)


def _assert_equal(a: str, b: str) -> None:
    names = [name for name, _ in tf.train.list_variables(a)]
    assert len(names) > 5
    for name in names:
        np.testing.assert_array_equal(
            tf.train.load_variable(a, name), tf.train.load_variable(b, name)
        )


def test_the_temperature_is_that_of_the_fit_which_has_not_seen_the_validation_rows(
    whole: Model, mixed: Prepared
) -> None:
    job = first_job(mixed.examples, MODEL, TRAINING, SEED, LaunchConfig())
    checkpoint = tf.train.latest_checkpoint(str(Path(whole.path) / CHECKPOINTS))
    answers = validation_answers(job, Path(whole.path), [str(checkpoint)])
    assert whole.temperature == temperature_of(answers)
    assert whole.temperature != 1.0


def test_the_model_is_trained_on_both_splits_for_as_many_epochs(
    whole: Model, mixed: Prepared
) -> None:
    train, validation = (count(mixed.examples, split) for split in ("train", "validation"))
    first = -(-20 * train // 16)
    assert whole.step == -(-first * (train + validation) // train) > first
    facts = find_training_facts(Path(whole.path))
    assert facts is not None
    assert facts.chosen_step == first


def test_the_history_tells_the_fits_apart_and_validation_is_of_the_first(whole: Model) -> None:
    points = _history(whole)
    facts = find_training_facts(Path(whole.path))
    assert facts is not None
    assert series(points, "validation/accuracy")[0][-1] == facts.chosen_step
    assert series(points, "refit/train/loss")[0][-1] <= whole.step
    assert {name for point in points for name in point.metrics} == {
        "train/loss", "validation/accuracy", "validation/average_loss", "validation/macro_f1",
        "refit/train/loss",
    }  # fmt: skip


def test_the_checkpoint_of_the_model_is_that_of_the_refit(whole: Model) -> None:
    path = Path(whole.checkpoint)
    assert path.parent == Path(whole.path) / "refit" / CHECKPOINTS
    assert path.name == f"model.ckpt-{whole.step}"


def test_the_refit_is_a_first_fit_on_all_rows(
    whole: Model, mixed: Prepared, tmp_path: Path
) -> None:
    """Nothing of the first fit but its length is in the model."""
    job = first_job(mixed.examples, MODEL, TRAINING, SEED, LaunchConfig())
    facts = find_training_facts(Path(whole.path))
    assert facts is not None
    assert facts.chosen_step is not None
    fit(refit_job(job, facts.chosen_step), tmp_path, lambda step, metrics: None)
    _assert_equal(
        whole.checkpoint, str(tmp_path / "refit" / CHECKPOINTS / Path(whole.checkpoint).name)
    )


def test_the_best_checkpoint_decides_how_long_the_refit_is(mixed: Prepared, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, checkpoint="best", evaluate_every_epochs=2)
    unstable = ModelConfig(
        units=(4,), optimizer=OptimizerConfig("sgd", learning_rate=30.0, clip_norm=None)
    )
    model = train_model(mixed.examples, unstable, training, SEED, directory=tmp_path / "model")
    steps, losses = series(_history(model), "validation/average_loss")
    best = steps[int(np.argmin(losses))]
    assert best < steps[-1]
    job = first_job(mixed.examples, unstable, training, SEED, LaunchConfig())
    assert model.step == refit_job(job, best).steps.end


@pytest.mark.parametrize("killed_in", ["first fit", "refit"])
def test_a_kill_in_either_fit_changes_no_bit_of_the_model(
    killed_in: str, whole: Model, mixed: Prepared, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    _kill_in(killed_in, mixed, directory, TRAINING)
    told: list[tuple[int, Mapping[str, float]]] = []
    model = train_model(
        mixed.examples, MODEL, TRAINING, SEED, directory=directory,
        on_progress=lambda history, step, end, metrics: told.append((step, metrics)),
    )  # fmt: skip
    _assert_equal(model.checkpoint, whole.checkpoint)
    assert [(point.step, point.metrics) for point in _history(model)] == [
        (point.step, point.metrics) for point in _history(whole)
    ]
    # What was done is not done again.
    is_first = [not any(name.startswith("refit/") for name in metrics) for _, metrics in told]
    assert any(is_first) is (killed_in == "first fit")
    assert told[0][0] > 5


def test_several_workers_make_the_refit_too_and_go_on_after_a_kill(
    mixed: Prepared, tmp_path: Path
) -> None:
    training = dataclasses.replace(TRAINING, workers=2)
    whole = train_model(
        mixed.examples, MODEL, training, SEED, directory=tmp_path / "whole" / "model"
    )
    directory = tmp_path / "model"
    _kill_in("refit", mixed, directory, training)
    again = train_model(mixed.examples, MODEL, training, SEED, directory=directory)
    _assert_equal(whole.checkpoint, again.checkpoint)
    assert [(point.step, point.metrics) for point in _history(whole)] == [
        (point.step, point.metrics) for point in _history(again)
    ]


def _saved_step(checkpoints: Path) -> int:
    """The step that a training would go on from; its files alone do not make a checkpoint."""
    latest = tf.train.latest_checkpoint(str(checkpoints))
    return int(latest.rpartition("-")[2]) if latest else 0


def _kill_in(fit: str, mixed: Prepared, directory: Path, training: TrainingConfig) -> None:
    """Starts a training in a process of its own, and kills it behind a checkpoint of the fit."""
    import json

    metric = "train/loss" if fit == "first fit" else f"{fit}/train/loss"
    arguments = [mixed.examples.path, str(directory), json.dumps(dataclasses.asdict(training))]
    partial = directory.with_name(f"{directory.name}.partial")
    checkpoints = partial / ("" if fit == "first fit" else fit) / CHECKPOINTS
    with subprocess.Popen(
        [sys.executable, "-c", LOAD_TENSORFLOW + PROGRAM, *arguments],
        cwd=Path(__file__).parents[3], env={**os.environ, "PYTHONPATH": "."},
    ) as process:  # fmt: skip
        try:
            # A checkpoint is written in the background, while the history goes on.
            while not (
                any(step >= 35 for step in series(read_history(partial / HISTORY), metric)[0])
                and _saved_step(checkpoints) >= 10
            ):
                assert process.poll() is None, "the training ended before it could be killed"
                time.sleep(0.01)
        finally:
            process.send_signal(signal.SIGKILL)
    assert not directory.exists()


def test_each_row_is_held_out_by_one_fold_and_the_model_is_trained_on_all(
    mixed: Prepared, tmp_path: Path
) -> None:
    directory = tmp_path / "model"
    _kill_in("fold-2", mixed, directory, FOLDS)
    model = train_model(mixed.examples, MODEL, FOLDS, SEED, directory=directory)
    points = _history(model)
    rows = sum(count(mixed.examples, split) for split in ("train", "validation"))
    facts = find_training_facts(directory)
    assert facts is not None
    assert facts.held_out_rows == rows
    # The curve of the validation split is that of all rows, each held out once.
    steps, pooled = series(points, "validation/accuracy")
    jobs = fold_jobs(first_job(mixed.examples, MODEL, FOLDS, SEED, LaunchConfig()))
    held_out = [count(mixed.examples, job.held_out) for job in jobs if job.held_out]
    assert sum(held_out) == rows
    curves = [series(points, f"{job.name}/validation/accuracy") for job in jobs]
    assert all(curve[0] == steps for curve in curves)
    for i, value in enumerate(pooled):
        correct = [n * curve[1][i] for n, curve in zip(held_out, curves, strict=True)]
        np.testing.assert_allclose(correct, np.round(correct), atol=1e-4)
        np.testing.assert_allclose(value, sum(correct) / rows)
    losses = series(points, "validation/average_loss")[1]
    assert facts.chosen_step == steps[int(np.argmin(losses))]
    assert model.step == refit_job(jobs[0], facts.chosen_step).steps.end
    _assert_equal(
        model.checkpoint,
        train_model(
            mixed.examples, MODEL, FOLDS, SEED, directory=tmp_path / "whole" / "model"
        ).checkpoint,
    )
