"""Gradients in one buffer and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core.distribution.gradient_buffer import layout, pack, split, unpack


def _variables() -> list[tf.Variable]:
    return [tf.Variable(tf.zeros(shape)) for shape in ([2, 3], [4, 2], [3])]


def _rows(values: Any, indices: list[int]) -> tf.IndexedSlices:
    return tf.IndexedSlices(tf.constant(values), tf.constant(indices, tf.int64))


def _there_and_back(buffers: list[list[Any]], divisor: float) -> list[Any]:
    variables, counts = _variables(), tf.constant([1.0, 2.0])
    total = tf.add_n([pack(counts, one, variables) for one in buffers])
    parts = layout(buffers[0], variables)
    summed, *pieces = split(total, 2, parts)
    np.testing.assert_array_equal(summed, len(buffers) * counts)
    return unpack(pieces, parts, tf.constant(divisor))


def test_a_sum_of_buffers_is_the_sum_of_the_gradients() -> None:
    first = [tf.ones([2, 3]), None, tf.constant([1.0, 2.0, 3.0])]
    second = [2 * tf.ones([2, 3]), None, tf.constant([4.0, 4.0, 4.0])]
    matrix, none, vector = _there_and_back([first, second], 2.0)
    assert none is None
    np.testing.assert_allclose(matrix, 1.5 * np.ones([2, 3]))
    np.testing.assert_allclose(vector, [2.5, 3.0, 3.5])


def test_rows_come_back_once_each_and_untouched_ones_not_at_all() -> None:
    first = [None, _rows([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], [1, 3, 1]), None]
    second = [None, _rows([[5.0, 5.0]], [3]), None]
    _, rows, _ = _there_and_back([first, second], 1.0)
    assert rows.indices.numpy().tolist() == [1, 3]
    assert rows.values.numpy().tolist() == [[4.0, 4.0], [7.0, 7.0]]


def test_a_row_whose_gradient_is_zero_is_touched_all_the_same() -> None:
    _, rows, _ = _there_and_back([[None, _rows([[0.0, 0.0]], [2]), None]], 1.0)
    assert rows.indices.numpy().tolist() == [2]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_parts_of_a_batch_give_the_mean_gradient_of_the_whole(
    sizes: list[int], random: Any
) -> None:
    """The sum of each replica's gradients, over all examples."""
    examples = [np.array([[random.uniform(-1, 1)] * 3] * 2, np.float32) for _ in range(sum(sizes))]
    parts = np.split(np.stack(examples), np.cumsum(sizes)[:-1])
    sums = [[tf.constant(part.sum(0)), None, None] for part in parts]
    found = _there_and_back(sums, float(sum(sizes)))[0]
    np.testing.assert_allclose(found, np.mean(examples, 0), atol=1e-6)


def test_a_buffer_knows_its_length_where_a_gradient_does_not_know_its_shape() -> None:
    variable = tf.Variable(tf.zeros([2, 3]))

    @tf.function(input_signature=[tf.TensorSpec([None, None])], autograph=False)
    def packed(gradient: tf.Tensor) -> tf.Tensor:
        return pack(tf.zeros([1]), [gradient], [variable])

    assert packed.get_concrete_function().output_shapes == (7,)
