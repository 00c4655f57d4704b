"""The optimizer argument, and how variables move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, UnsupportedError
from rnn_core.optimizers import Optimizer, clip, optimizer_spec, sum_duplicates

keras = tf.keras.optimizers
KINDS = [
    keras.SGD(0.1),
    keras.SGD(0.1, momentum=0.9),
    keras.SGD(0.1, momentum=0.9, nesterov=True),
    keras.Adagrad(0.1),
    keras.Adam(0.1),
    keras.Adam(0.1, amsgrad=True),
    keras.RMSprop(0.1),
    keras.RMSprop(0.1, centered=True),
    keras.Ftrl(0.1, l1_regularization_strength=0.01),
]


def run(optimizer: Any, gradients: list[Any], start: Any) -> Any:
    variable = tf.Variable(start)
    ours = Optimizer(optimizer_spec(optimizer), {"v": variable})
    for step, gradient in enumerate(gradients):
        ours.apply([gradient], tf.constant(step, tf.int64))
    return variable.numpy()


@pytest.mark.parametrize("optimizer", KINDS, ids=lambda kind: kind.name)
def test_dense_steps_are_those_of_keras(optimizer: Any) -> None:
    random = np.random.default_rng(2)
    gradients = [random.normal(size=(4, 2)).astype(np.float32) for _ in range(3)]
    start = random.normal(size=(4, 2)).astype(np.float32)
    expected = tf.keras.Variable(start)
    theirs = type(optimizer).from_config(optimizer.get_config())
    for gradient in gradients:
        theirs.apply([tf.constant(gradient)], [expected])
    ours = run(optimizer, [tf.constant(gradient) for gradient in gradients], start)
    np.testing.assert_allclose(ours, np.asarray(expected), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer", [*KINDS, keras.RMSprop(0.1, momentum=0.9)], ids=lambda kind: kind.name
)
def test_rows_move_as_a_dense_gradient_moves_them(optimizer: Any) -> None:
    """All rows have a gradient, one in two parts, so that no rule may leave a row out."""
    random = np.random.default_rng(2)
    rows = [random.normal(size=(4, 2)).astype(np.float32) for _ in range(3)]
    indices = [2, 0, 1, 0]
    sparse = [tf.IndexedSlices(tf.constant(value), indices, [3, 2]) for value in rows]
    dense = []
    for value in rows:
        total = np.zeros((3, 2), np.float32)
        np.add.at(total, indices, value)
        dense.append(tf.constant(total))
    start = random.normal(size=(3, 2)).astype(np.float32)
    np.testing.assert_allclose(
        run(optimizer, sparse, start), run(optimizer, dense, start), rtol=1e-5, atol=1e-6
    )


def test_a_row_without_a_gradient_rests_under_adagrad() -> None:
    gradient = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), [3, 2])
    moved = run("Adagrad", [gradient], np.zeros((3, 2), np.float32))
    assert moved[[0, 2]].tolist() == [[0, 0], [0, 0]]
    assert np.all(moved[1] < 0)


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
    schedule = keras.schedules.PiecewiseConstantDecay([0], [1.0, 0.1])
    moved = run(keras.SGD(schedule), [tf.constant([1.0])] * 3, np.zeros(1, np.float32))
    assert moved.tolist() == pytest.approx([-1.2])


def test_a_callable_gives_the_optimizer() -> None:
    assert optimizer_spec(lambda: keras.Adam(0.2)).settings["learning_rate"] == pytest.approx(0.2)


@pytest.mark.parametrize("wrong", ["Nadam?", 3, lambda: "nothing"])
def test_an_unknown_optimizer_is_named(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="optimizer: expected"):
        optimizer_spec(wrong)


@pytest.mark.parametrize("wrong", [keras.Nadam(0.1), keras.Adam(0.1, weight_decay=0.1)])
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
