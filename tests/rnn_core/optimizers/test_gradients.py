"""Clipping, and gradients of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.optimizers.gradients import clip, sum_duplicates, to_dense

ROWS = tf.IndexedSlices(tf.constant([[1.0], [2.0], [4.0]]), tf.constant([5, 3, 5]))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"clipnorm": 2.5}, [[1.5, 2.0], [2.5]]),
        ({"clipvalue": 2.0}, [[2.0, 2.0], [2.0]]),
        ({"global_clipnorm": 5.0}, [[3.0 * 5 / 13, 4.0 * 5 / 13], [12.0 * 5 / 13]]),
        ({}, [[3.0, 4.0], [12.0]]),
    ],
)
def test_gradients_are_clipped_in_the_ways_of_keras(settings: Any, expected: Any) -> None:
    clipped = clip([tf.constant([3.0, 4.0]), None, tf.constant([12.0])], settings)
    assert clipped.pop(1) is None
    for value, wanted in zip(clipped, expected, strict=True):
        assert value is not None
        np.testing.assert_allclose(value, wanted, rtol=1e-6)


def test_rows_are_clipped_by_value() -> None:
    (clipped,) = clip([ROWS], {"clipvalue": 1.5})
    assert clipped is not None
    assert clipped.values.numpy().tolist() == [[1.0], [1.5], [1.5]]


def test_equal_indices_are_added_up() -> None:
    values, indices = sum_duplicates(ROWS)
    assert dict(zip(indices.numpy().tolist(), values.numpy()[:, 0].tolist(), strict=True)) == {
        5: 5.0,
        3: 2.0,
    }


def test_rows_fill_the_shape_of_the_variable() -> None:
    dense = to_dense(ROWS, tf.Variable(tf.zeros([7, 1])))
    assert dense.numpy()[:, 0].tolist() == [0, 0, 0, 2, 0, 5, 0]
