"""Training: what it writes, what it keeps, when it stops, and that a cut makes no difference."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from numpy.typing import NDArray

from components.artifacts.history import HISTORY, HistoryPoint, read_history, series
from components.artifacts.storage import is_complete
from components.artifacts.training_facts import find_training_facts
from components.artifacts.values import Examples, Model
from components.config import (
    EarlyStoppingMetric,
    LaunchConfig,
    ModelConfig,
    OptimizerConfig,
    TrainingConfig,
)
from components.errors import TrainingError
from components.training.estimator import CHECKPOINTS, load_estimator
from components.training.train import train_model
from tests.components.conftest import Prepared

SEED = 7
MODEL = ModelConfig(units=(4,), optimizer=OptimizerConfig(learning_rate=0.1))
MAX_STEPS = 10
TRAINING = TrainingConfig(
    batch_size=16, max_steps=MAX_STEPS, evaluate_every_steps=4, log_every_steps=2,
    early_stopping_patience_steps=None,
)  # fmt: skip
LAUNCH = LaunchConfig()
Progress = tuple[Path, int, dict[str, float]]


class CutError(Exception):
    """What ends a training in the middle."""


@dataclasses.dataclass(frozen=True)
class Trained:
    model: Model
    told: tuple[Progress, ...]

    @property
    def path(self) -> Path:
        return Path(self.model.path)

    @property
    def history(self) -> tuple[HistoryPoint, ...]:
        return read_history(self.path / HISTORY)


def _train(
    examples: Examples,
    directory: Path,
    model: ModelConfig = MODEL,
    training: TrainingConfig = TRAINING,
    seed: int = SEED,
    cut_at: int | None = None,
    launch: LaunchConfig = LAUNCH,
) -> Trained:
    told: list[Progress] = []

    def on_progress(history: Path, step: int, end: int, metrics: Mapping[str, float]) -> None:
        assert step <= end
        told.append((history, step, dict(metrics)))
        if step == cut_at:
            raise CutError

    made = train_model(
        examples, model, training, seed,
        directory=directory, on_progress=on_progress, launch=launch,
    )  # fmt: skip
    return Trained(made, tuple(told))


def _weights(checkpoint: str | Path) -> dict[str, NDArray[np.float32]]:
    reader = tf.train.load_checkpoint(str(checkpoint))
    return {
        name: reader.get_tensor(name)
        for name, kind in reader.get_variable_to_dtype_map().items()
        if kind == tf.float32
    }


def _last(trained: Trained, step: int = MAX_STEPS) -> dict[str, NDArray[np.float32]]:
    return _weights(trained.path / CHECKPOINTS / f"model.ckpt-{step}")


def _equal(a: Mapping[str, NDArray[np.float32]], b: Mapping[str, NDArray[np.float32]]) -> bool:
    assert len(a) > 3
    assert a.keys() == b.keys()
    return all(np.array_equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def whole(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Ten steps without any cut."""
    return _train(mixed.examples, tmp_path_factory.mktemp("whole") / "model")


@pytest.fixture(scope="module")
def resumed(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The same, cut behind its first checkpoint and called again."""
    directory = tmp_path_factory.mktemp("resumed") / "model"
    with pytest.raises(CutError):
        _train(mixed.examples, directory, cut_at=6)
    assert not directory.exists()
    return _train(mixed.examples, directory)


def test_the_history_holds_the_training_loss_and_every_evaluation_against_the_step(
    whole: Trained,
) -> None:
    steps, losses = series(whole.history, "train/loss")
    assert steps == [2, 4, 6, 8, 10]
    assert all(np.isfinite(losses))
    evaluated = {"validation/average_loss", "validation/accuracy", "validation/macro_f1"}
    for name in evaluated:
        assert series(whole.history, name)[0] == [4, 8, 10]
    assert {name for point in whole.history for name in point.metrics} == {
        "train/loss", *evaluated,
    }  # fmt: skip


def test_every_line_of_the_history_is_told_when_it_is_written(whole: Trained) -> None:
    assert [(step, metrics) for _, step, metrics in whole.told] == [
        (point.step, point.metrics) for point in whole.history
    ]
    assert {history.name for history, _, _ in whole.told} == {HISTORY}


def test_training_lowers_the_loss(whole: Trained) -> None:
    _, losses = series(whole.history, "train/loss")
    assert losses[-1] < losses[0]


def test_the_model_directory_is_whole_and_can_be_loaded(whole: Trained, mixed: Prepared) -> None:
    assert is_complete(whole.path)
    assert not whole.path.with_name("model.partial").exists()
    assert whole.model.digest == whole.path.name
    assert load_estimator(whole.model).latest_checkpoint() is not None


def test_a_model_says_what_its_training_took_and_how_much_it_learned(whole: Trained) -> None:
    facts = find_training_facts(whole.path)
    assert facts is not None
    assert facts.seconds > 0
    # Not the optimizer's moments, which are twice as many again.
    model = load_estimator(whole.model)
    learned = [name for name in model.get_variable_names() if name.startswith("rnn_model/")]
    sizes = [np.size(model.get_variable_value(name)) for name in learned]
    assert facts.parameters == sum(sizes) > 0


def test_the_model_is_the_checkpoint_with_the_best_evaluation(whole: Trained) -> None:
    steps, values = series(whole.history, "validation/average_loss")
    best = steps[int(np.argmin(values))]
    assert whole.model.step == best
    assert Path(whole.model.checkpoint).name == f"model.ckpt-{best}"
    assert Path(whole.model.checkpoint).is_relative_to(whole.path)
    assert _equal(_weights(whole.model.checkpoint), _last(whole, best))


def test_a_model_that_gets_worse_is_stopped_and_its_best_checkpoint_kept(
    mixed: Prepared, tmp_path: Path
) -> None:
    unstable = ModelConfig(
        units=(4,), optimizer=OptimizerConfig("sgd", learning_rate=30.0, clip_norm=None)
    )
    training = dataclasses.replace(
        TRAINING, max_steps=200, evaluate_every_steps=2, early_stopping_patience_steps=6
    )
    stopped = _train(mixed.examples, tmp_path / "model", unstable, training)
    steps, values = series(stopped.history, "validation/average_loss")
    best = steps[int(np.argmin(values))]
    assert steps[-1] < 200
    assert steps[-1] - best >= 6
    assert stopped.model.step == best < steps[-1]


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_the_best_accuracy_or_macro_f1_decides_if_the_config_says_so(
    metric: EarlyStoppingMetric, mixed: Prepared, tmp_path: Path
) -> None:
    training = dataclasses.replace(
        TRAINING, max_steps=8, evaluate_every_steps=2, early_stopping_metric=metric,
        early_stopping_patience_steps=100,
    )  # fmt: skip
    trained = _train(mixed.examples, tmp_path / "model", training=training)
    steps, values = series(trained.history, f"validation/{metric}")
    assert trained.model.step == steps[int(np.argmax(values))]


def test_a_training_that_was_cut_ends_with_the_same_weights_bit_for_bit(
    whole: Trained, resumed: Trained
) -> None:
    assert _equal(_last(whole), _last(resumed))
    assert _equal(_weights(whole.model.checkpoint), _weights(resumed.model.checkpoint))
    assert whole.model.step == resumed.model.step


def test_a_training_that_was_cut_continues_from_its_checkpoint_and_not_from_the_start(
    resumed: Trained,
) -> None:
    assert min(step for _, step, _ in resumed.told) > 4


def test_a_training_that_was_cut_has_the_history_of_one_that_was_not(
    whole: Trained, resumed: Trained
) -> None:
    assert [(point.step, point.metrics) for point in resumed.history] == [
        (point.step, point.metrics) for point in whole.history
    ]


@pytest.mark.parametrize("before", [0.5, 0.0], ids=["in memory", "from disk"])
def test_a_training_from_disk_ends_with_the_weights_of_one_in_memory_bit_for_bit(
    whole: Trained, mixed: Prepared, tmp_path: Path, before: float
) -> None:
    """It goes on from a checkpoint, which the part before it may have written in another way."""
    with pytest.raises(CutError):
        _train(
            mixed.examples,
            tmp_path / "model",
            cut_at=6,
            launch=LaunchConfig(memory_fraction=before),
        )
    again = _train(mixed.examples, tmp_path / "model", launch=LaunchConfig(memory_fraction=0.0))
    assert (mixed.path / "rows-train" / "values.bin").is_file()
    assert _equal(_last(whole), _last(again))
    assert [point.metrics for point in again.history] == [point.metrics for point in whole.history]


def test_the_test_split_is_never_read_and_the_same_seed_gives_the_same_weights(
    whole: Trained, mixed: Prepared, tmp_path: Path
) -> None:
    copy = tmp_path / "examples"
    shutil.copytree(mixed.path, copy, ignore=shutil.ignore_patterns("*test-*"))
    assert not list(copy.glob("*test-*"))
    again = _train(Examples(str(copy), "d"), tmp_path / "model")
    assert _equal(_last(whole), _last(again))


def test_another_seed_gives_other_weights(whole: Trained, mixed: Prepared, tmp_path: Path) -> None:
    training = dataclasses.replace(TRAINING, max_steps=4)
    other = _train(mixed.examples, tmp_path / "model", training=training, seed=SEED + 1)
    assert not _equal(_last(whole, 4), _last(other, 4))


def test_a_loss_that_is_no_number_stops_with_what_to_do_and_keeps_what_is_good(
    mixed: Prepared, tmp_path: Path
) -> None:
    diverging = ModelConfig(
        units=(4,), optimizer=OptimizerConfig("sgd", learning_rate=3e38, clip_norm=None)
    )
    with pytest.raises(TrainingError, match="Lower the learning rate"):
        _train(mixed.examples, tmp_path / "model", diverging)
    assert not (tmp_path / "model").exists()
    assert not list(tmp_path.glob("model.partial/checkpoints/model.ckpt-1*"))
