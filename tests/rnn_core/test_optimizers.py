"""The optimizer argument, clipping, and the names of what is saved."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, UnsupportedError
from rnn_core.optimizers import Optimizer, clip, optimizer_spec, sum_duplicates
from tests.rnn_core.samples import run_optimizer


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
def test_state_has_the_names_of_tensorflow_2_15(name: str, saved: set[str]) -> None:
    ours = Optimizer(optimizer_spec(name), {"v": tf.Variable([1.0])})
    kind = "RMSprop" if name == "RMSProp" else name
    assert set(ours.variables) == {f"training/{kind}/{each}" for each in saved}
    assert float(ours.variables[f"training/{kind}/learning_rate"]) == pytest.approx(0.05)


def test_a_string_clips_each_gradient_to_five() -> None:
    spec = optimizer_spec("SGD")
    big, small = clip([tf.constant([30.0, 40.0]), tf.constant([3.0])], spec.settings)
    np.testing.assert_allclose(big, [3.0, 4.0], rtol=1e-6)
    assert small.numpy().tolist() == [3.0]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"clipvalue": 2.0}, [[2.0, 2.0], [2.0]]),
        ({"global_clipnorm": 5.0}, [[3.0 * 5 / 13, 4.0 * 5 / 13], [12.0 * 5 / 13]]),
        ({}, [[3.0, 4.0], [12.0]]),
    ],
)
def test_other_ways_of_clipping_are_honoured(settings: Any, expected: Any) -> None:
    clipped = clip([tf.constant([3.0, 4.0]), tf.constant([12.0])], settings)
    for value, wanted in zip(clipped, expected, strict=True):
        np.testing.assert_allclose(value, wanted, rtol=1e-6)


def test_equal_indices_are_added_up() -> None:
    gradient = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([5, 3, 5]))
    values, indices = sum_duplicates(gradient)
    assert dict(zip(indices.numpy().tolist(), values.numpy()[:, 0].tolist(), strict=True)) == {
        5: 5.0,
        3: 2.0,
    }


def test_a_schedule_gives_the_rate_of_each_step() -> None:
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.1])
    moved = run_optimizer(
        keras.optimizers.SGD(schedule), [tf.constant([1.0])] * 3, np.zeros(1, np.float32)
    )
    assert moved.tolist() == pytest.approx([-1.2])


def test_a_callable_gives_the_optimizer() -> None:
    assert optimizer_spec(lambda: keras.optimizers.Adam(0.2)).settings[
        "learning_rate"
    ] == pytest.approx(0.2)


@pytest.mark.parametrize("wrong", ["Nadam?", 3, lambda: "nothing"])
def test_an_unknown_optimizer_is_named(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="optimizer: expected"):
        optimizer_spec(wrong)


@pytest.mark.parametrize(
    "wrong", [keras.optimizers.Nadam(0.1), keras.optimizers.Adam(0.1, weight_decay=0.1)]
)
def test_an_optimizer_that_2_15_had_not_is_refused(wrong: Any) -> None:
    with pytest.raises(UnsupportedError, match="optimizer"):
        optimizer_spec(wrong)


def test_a_hyper_parameter_that_a_checkpoint_changed_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = Optimizer(optimizer_spec("SGD"), {"v": tf.Variable([1.0])})
    ours.variables["training/SGD/learning_rate"].assign(0.5)
    ours.warn_of_changes()
    assert "learning_rate of the optimizer is 0.5" in caplog.text
