"""A model of several networks, each trained from a seed of its own."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.history import HISTORY, read_history, series
from components.artifacts.training_facts import find_training_facts
from components.artifacts.values import Model
from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.training.datasets import count
from components.training.estimator import CHECKPOINTS, load_estimator, predict_probabilities
from components.training.fit import temperature_of, validation_answers
from components.training.fits import first_job
from components.training.train import train_model
from tests.components.conftest import Prepared

pytestmark = pytest.mark.slow

MODEL = ModelConfig(units=(4,))
ONE = TrainingConfig(
    batch_size=16, max_epochs=4, evaluate_every_epochs=2, early_stopping_patience_steps=None,
    checkpoint="last", refit=True, temperature_scaling=True,
)  # fmt: skip
TWO = dataclasses.replace(ONE, ensemble_size=2)


@pytest.fixture(scope="module")
def two(mixed: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Model:
    directory = tmp_path_factory.mktemp("two") / "model"
    return train_model(mixed.examples, MODEL, TWO, 7, directory=directory)


def _weights(checkpoint: str) -> dict[str, np.ndarray]:
    return {
        name: tf.train.load_variable(checkpoint, name)
        for name, _ in tf.train.list_variables(checkpoint)
    }


def test_the_first_network_is_the_model_without_the_others(
    two: Model, mixed: Prepared, tmp_path: Path
) -> None:
    one = train_model(mixed.examples, MODEL, ONE, 7, directory=tmp_path / "model")
    assert one.other_checkpoints == ()
    ours, theirs = _weights(one.checkpoint), _weights(two.checkpoint)
    assert ours.keys() == theirs.keys()
    for name, values in ours.items():
        np.testing.assert_array_equal(values, theirs[name])
    facts = [find_training_facts(Path(model.path)) for model in (one, two)]
    assert facts[0] is not None
    assert facts[1] is not None
    assert facts[1].parameters == 2 * facts[0].parameters
    assert facts[1].training_accuracy == facts[0].training_accuracy


def test_each_network_has_its_own_weights_and_its_own_refit(two: Model) -> None:
    first, second = two.checkpoints
    assert Path(first).parent == Path(two.path) / "refit" / CHECKPOINTS
    assert Path(second).parent == Path(two.path) / "network-2-refit" / CHECKPOINTS
    ours, theirs = _weights(first), _weights(second)
    assert any(not np.array_equal(values, theirs[name]) for name, values in ours.items())
    points = read_history(Path(two.path) / HISTORY)
    for name in ("validation/accuracy", "network-2/validation/accuracy"):
        assert len(series(points, name)[0]) == 2


def test_the_answer_is_the_mean_of_the_probabilities(two: Model, mixed: Prepared) -> None:
    estimator = load_estimator(two)

    def answered(*checkpoints: str) -> np.ndarray:
        return predict_probabilities(estimator, mixed.examples, "test", checkpoints)

    together, each = answered(*two.checkpoints), [answered(one) for one in two.checkpoints]
    assert len(together) == count(mixed.examples, "test")
    np.testing.assert_allclose(together, (each[0] + each[1]) / 2, atol=1e-6)
    assert not np.allclose(each[0], each[1], atol=1e-3)


def test_the_temperature_is_that_of_all_first_fits_together(two: Model, mixed: Prepared) -> None:
    folder = Path(two.path)
    job = first_job(mixed.examples, MODEL, TWO, 7, LaunchConfig())
    firsts = [
        str(tf.train.latest_checkpoint(str(folder / name / CHECKPOINTS)))
        for name in ("", "network-2")
    ]
    assert two.temperature == temperature_of(validation_answers(job, folder, firsts))
    assert two.temperature != temperature_of(validation_answers(job, folder, firsts[:1]))


def test_folds_choose_the_length_for_all_networks(mixed: Prepared, tmp_path: Path) -> None:
    training = dataclasses.replace(TWO, refit=False, folds=2, temperature_scaling=False)
    model = train_model(mixed.examples, MODEL, training, 7, directory=tmp_path / "model")
    names = [Path(one).relative_to(model.path).parts for one in model.checkpoints]
    assert [name[0] for name in names] == ["refit", "network-2-refit"]
    assert names[0][-1] == names[1][-1] == f"model.ckpt-{model.step}"
