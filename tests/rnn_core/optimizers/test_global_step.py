"""Learning rates that are computed from the global step, as in TensorFlow 1."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, ModeKeys
from rnn_core.kernels import library
from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.export.samples import supervised_receiver
from tests.rnn_core.samples import Data, make_estimator, run_optimizer, weights_of

pytestmark = pytest.mark.slow

STEPS = 6
START = np.zeros(1, np.float32)
ONES = [tf.constant([1.0])] * STEPS
v1 = tf.compat.v1.train


def exponential() -> Any:
    return v1.exponential_decay(0.1, v1.get_global_step(), decay_steps=4, decay_rate=0.5)


# Each with the learning rate that its formula gives at step n.
DECAYS: dict[str, tuple[Callable[[], Any], Callable[[int], float]]] = {
    "exponential": (exponential, lambda n: 0.1 * 0.5 ** (n / 4)),
    "staircase": (
        lambda: v1.exponential_decay(0.1, v1.get_or_create_global_step(), 4, 0.5, staircase=True),
        lambda n: 0.1 * 0.5 ** (n // 4),
    ),
    "natural": (
        lambda: v1.natural_exp_decay(0.1, v1.get_global_step(), 4, 0.5),
        lambda n: 0.1 * np.exp(-0.5 * n / 4),
    ),
    "inverse": (
        lambda: v1.inverse_time_decay(0.1, v1.get_global_step(), 4, 0.5),
        lambda n: 0.1 / (1 + 0.5 * n / 4),
    ),
    "cosine": (
        lambda: v1.cosine_decay(0.1, v1.get_global_step(), 5),
        lambda n: 0.05 * (1 + np.cos(np.pi * min(n, 5) / 5)),
    ),
    "polynomial": (
        lambda: v1.polynomial_decay(0.1, v1.get_global_step(), 4, end_learning_rate=0.02, power=2),
        lambda n: 0.08 * (1 - min(n, 4) / 4) ** 2 + 0.02,
    ),
    "piecewise": (
        lambda: v1.piecewise_constant(v1.get_global_step(), [1, 3], [0.3, 0.2, 0.1]),
        lambda n: 0.3 if n <= 1 else 0.2 if n <= 3 else 0.1,
    ),
    "a function that asks for the step": (
        lambda: lambda: 0.1 / tf.cast(v1.get_global_step() + 1, tf.float32),
        lambda n: 0.1 / (n + 1),
    ),
    "a function that calls a decay": (lambda: exponential, lambda n: 0.1 * 0.5 ** (n / 4)),
}


def reading() -> Any:
    """A function that holds the step, and reads it later."""
    step = v1.get_global_step()
    return lambda: 0.1 / tf.cast(step + 1, tf.float32)


DECAYS["a function that holds the step"] = (reading, lambda n: 0.1 / (n + 1))


class OwnSGD(keras.optimizers.SGD):
    """A subclass, which moves the variables itself."""


@pytest.mark.parametrize("kind", [keras.optimizers.SGD, OwnSGD])
@pytest.mark.parametrize("name", DECAYS)
def test_each_step_has_the_learning_rate_of_the_formula(name: str, kind: Any) -> None:
    rate, formula = DECAYS[name]
    moved = run_optimizer(lambda: kind(learning_rate=rate()), ONES, START)
    np.testing.assert_allclose(moved, [-sum(formula(n) for n in range(STEPS))], rtol=1e-5)


@pytest.mark.parametrize("name", ["exponential", "a function that holds the step"])
@pytest.mark.parametrize("kernels", ["on", "off"])
def test_a_resumed_training_goes_on_with_the_rate_of_its_step(
    name: str, kernels: str, data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, built: Any
) -> None:
    monkeypatch.setenv(library.SWITCH, kernels)
    rate, formula = DECAYS[name]

    class Formula(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return tf.gather([float(formula(n)) for n in range(STEPS)], tf.cast(step, tf.int32))

    def one_batch() -> tf.data.Dataset:
        return data.dataset().batch(5).take(1).repeat()

    def resumed(directory: str, optimizer: Any) -> dict[str, Any]:
        for _ in range(2):
            estimator = make_estimator(tmp_path / directory, optimizer=optimizer)
            estimator.train(one_batch, steps=STEPS // 2)
        return weights_of(estimator)

    found = resumed("found", lambda: keras.optimizers.Adam(learning_rate=rate()))
    right = resumed("right", lambda: keras.optimizers.Adam(Formula()))
    assert found["global_step"] == STEPS
    for weight, value in right.items():
        np.testing.assert_allclose(found[weight], value, rtol=1e-5, atol=1e-6)


def test_a_decay_is_part_of_an_exported_training(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(
        tmp_path, optimizer=lambda: keras.optimizers.Adam(DECAYS["piecewise"][0]())
    )
    estimator.train(data.train_input, steps=1)
    estimator.export_saved_model(tmp_path, supervised_receiver, experimental_mode=ModeKeys.TRAIN)


def test_a_decay_without_a_function_around_it_counts_the_steps_too() -> None:
    moved = run_optimizer(keras.optimizers.SGD(exponential()), ONES, START)
    np.testing.assert_allclose(moved, [-sum(0.1 * 0.5 ** (n / 4) for n in range(STEPS))], rtol=1e-5)


@pytest.mark.parametrize(
    "rate",
    [
        lambda: 0.1 * 0.5 ** float(v1.get_global_step()),
        lambda: tf.cast(v1.get_global_step(), tf.float32) * 0.1,
        lambda: tf.minimum(exponential(), tf.cast(v1.get_global_step(), tf.float32)),
    ],
)
def test_a_rate_that_would_never_change_is_refused(rate: Any) -> None:
    with pytest.raises(ArgumentError, match=r"keras\.optimizers\.schedules"):
        optimizer_spec(lambda: keras.optimizers.SGD(learning_rate=rate()))


def test_a_step_that_nobody_counts_is_refused() -> None:
    step = tf.Variable(0, dtype=tf.int64, name="global_step")
    optimizer = keras.optimizers.SGD(lambda: 0.1 / tf.cast(step + 1, tf.float32))
    with pytest.raises(ArgumentError, match="never changes"):
        optimizer_spec(optimizer)


def test_a_rate_that_cannot_be_computed_says_what_to_give_instead() -> None:
    optimizer = optimizer_spec(keras.optimizers.SGD(lambda: tf.cast(None, tf.float32)))
    with pytest.raises(ArgumentError, match=r"keras\.optimizers\.schedules"):
        optimizer.make({"v": tf.Variable([1.0])}).apply(ONES[:1], tf.constant(0, tf.int64))


def test_the_step_is_gone_when_the_optimizer_is_made() -> None:
    before = v1.get_global_step()
    optimizer_spec(lambda: keras.optimizers.SGD(exponential()))
    assert v1.get_global_step() is before


def test_an_error_of_the_function_itself_stays() -> None:
    def broken() -> Any:
        raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        optimizer_spec(broken)
