"""Optimizers with the state of TensorFlow 2.15."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core.optimizers.optimizers import optimizer_spec
from tests.rnn_core.samples import run_optimizer

ONES = [tf.constant([1.0])] * 3
START = np.zeros(1, np.float32)


@pytest.mark.parametrize(
    ("name", "saved"),
    [
        ("Adagrad", {"decay", "learning_rate", "v/accumulator"}),
        ("Adam", {"decay", "learning_rate", "beta_1", "beta_2", "v/m", "v/v"}),
        ("RMSProp", {"decay", "learning_rate", "rho", "momentum", "v/rms"}),
        ("SGD", {"decay", "learning_rate", "momentum"}),
        (
            "Ftrl",
            {
                "decay",
                "learning_rate",
                "learning_rate_power",
                "l1_regularization_strength",
                "l2_regularization_strength",
                "beta",
                "v/accumulator",
                "v/linear",
            },
        ),
    ],
)
def test_state_has_the_names_of_2_15(name: str, saved: set[str]) -> None:
    ours = optimizer_spec(name).make({"v": tf.Variable([1.0])})
    kind = "RMSprop" if name == "RMSProp" else name
    assert set(ours.variables) == {f"training/{kind}/{each}" for each in saved}
    assert float(ours.variables[f"training/{kind}/learning_rate"]) == pytest.approx(0.05)


def test_what_a_checkpoint_brought_is_used_and_told(caplog: pytest.LogCaptureFixture) -> None:
    variable = tf.Variable(START)
    ours = optimizer_spec(keras.optimizers.SGD(0.1)).make({"v": variable})
    ours.warn_of_changes()
    assert not caplog.text
    ours.variables["training/SGD/learning_rate"].assign(0.5)
    ours.apply(ONES[:1], tf.constant(0, tf.int64))
    ours.warn_of_changes()
    assert variable.numpy().tolist() == [-0.5]
    assert "learning_rate of the optimizer is 0.5" in caplog.text


def test_other_numbers_of_a_checkpoint_are_used_as_well() -> None:
    restored, given = tf.Variable(START), tf.Variable(START)
    ours = optimizer_spec(keras.optimizers.Adam(0.1)).make({"v": restored})
    ours.variables["training/Adam/beta_1"].assign(0.5)
    ours.variables["training/Adam/beta_2"].assign(0.25)
    theirs = optimizer_spec(keras.optimizers.Adam(0.1, 0.5, 0.25)).make({"v": given})
    for step, value in enumerate([1.0, -3.0, 2.0]):
        for each in (ours, theirs):
            each.apply([tf.constant([value])], tf.constant(step, tf.int64))
    assert restored.numpy().tolist() == given.numpy().tolist()


def test_a_schedule_of_ones_own_needs_no_config_and_gets_floats() -> None:
    class Root(keras.optimizers.schedules.LearningRateSchedule):
        def __call__(self, step: Any) -> Any:
            return tf.math.rsqrt(step + 1)

    moved = run_optimizer(keras.optimizers.SGD(Root()), ONES, START)
    np.testing.assert_allclose(moved, [-(1 + 2**-0.5 + 3**-0.5)], rtol=1e-6)


def test_a_schedule_has_no_learning_rate_to_save() -> None:
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 1, 0.5)
    ours = optimizer_spec(keras.optimizers.SGD(schedule)).make({"v": tf.Variable(START)})
    assert set(ours.variables) == {"training/SGD/decay", "training/SGD/momentum"}


def test_a_function_gives_the_learning_rate() -> None:
    moved = run_optimizer(keras.optimizers.SGD(lambda: 0.25), ONES, START)
    assert moved.tolist() == [-0.75]


def test_a_variable_without_a_gradient_rests() -> None:
    assert run_optimizer("Adam", [None], START).tolist() == [0.0]
