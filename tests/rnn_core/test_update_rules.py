"""How each kind of optimizer moves a variable."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.rnn_core.samples import run_optimizer

KINDS = [
    keras.optimizers.SGD(0.1),
    keras.optimizers.SGD(0.1, momentum=0.9),
    keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True),
    keras.optimizers.Adagrad(0.1),
    keras.optimizers.Adam(0.1),
    keras.optimizers.Adam(0.1, amsgrad=True),
    keras.optimizers.RMSprop(0.1),
    keras.optimizers.RMSprop(0.1, centered=True),
    keras.optimizers.Ftrl(0.1, l1_regularization_strength=0.01),
]


@pytest.mark.parametrize("optimizer", KINDS, ids=lambda kind: kind.name)
def test_dense_steps_are_those_of_keras(optimizer: Any) -> None:
    random = np.random.default_rng(2)
    gradients = [random.normal(size=(4, 2)).astype(np.float32) for _ in range(3)]
    start = random.normal(size=(4, 2)).astype(np.float32)
    expected = keras.Variable(start)
    theirs = type(optimizer).from_config(optimizer.get_config())
    for gradient in gradients:
        theirs.apply([tf.constant(gradient)], [expected])
    ours = run_optimizer(optimizer, [tf.constant(gradient) for gradient in gradients], start)
    np.testing.assert_allclose(ours, np.asarray(expected), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer", [*KINDS, keras.optimizers.RMSprop(0.1, momentum=0.9)], ids=lambda kind: kind.name
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
        run_optimizer(optimizer, sparse, start),
        run_optimizer(optimizer, dense, start),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_row_without_a_gradient_rests_under_adagrad() -> None:
    gradient = tf.IndexedSlices(tf.ones([1, 2]), tf.constant([1]), [3, 2])
    moved = run_optimizer("Adagrad", [gradient], np.zeros((3, 2), np.float32))
    assert moved[[0, 2]].tolist() == [[0, 0], [0, 0]]
    assert np.all(moved[1] < 0)
