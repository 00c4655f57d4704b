"""Values of single steps, laid out one after another."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import LabelError
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.heads.sequential import flat_steps

ROWS = tf.ragged.constant([[1, 2, 3], [4], []], dtype=tf.int64)
MASK = tf.sequence_mask([3, 1, 0], 3)


def flat(values: Any, mask: Any = MASK) -> Any:
    """As in a training: inside of a graph."""
    with named_errors():
        return tf.function(lambda: flat_steps(values, mask, "Labels"), autograph=False)()


@pytest.mark.parametrize(
    "values",
    [
        ROWS,
        ROWS.to_sparse(),
        ROWS.to_tensor(-7),
        ROWS.to_tensor(-7, shape=[3, 5]),
        ROWS.to_tensor()[:, :, tf.newaxis],
        tf.sparse.from_dense(ROWS.to_tensor()[:, :, tf.newaxis]),
        tf.RaggedTensor.from_row_lengths(ROWS.flat_values[:, tf.newaxis], [3, 1, 0]),
        tf.ragged.constant([[[1], [2], [3]], [[4]], []], dtype=tf.int64),
    ],
)
def test_every_spelling_gives_the_real_steps_in_order(values: Any) -> None:
    found = flat(values)
    assert found.shape[1:] == (1,)
    assert found.numpy()[:, 0].tolist() == [1, 2, 3, 4]


def test_a_sparse_tensor_in_any_order_is_put_in_order() -> None:
    sparse = tf.SparseTensor([[1, 0], [0, 1], [0, 0]], ["c", "b", "a"], [2, 2])
    assert flat(sparse, tf.sequence_mask([2, 1])).numpy()[:, 0].tolist() == [b"a", b"b", b"c"]


def test_more_than_one_value_a_step_stays_together() -> None:
    values = np.arange(18).reshape(3, 3, 2)
    assert flat(tf.constant(values)).numpy().tolist() == values[[0, 0, 0, 1], [0, 1, 2, 0]].tolist()


def test_a_mask_with_holes_chooses_from_dense_values() -> None:
    mask = tf.constant([[True, False, True]])
    assert flat(tf.constant([[5, 6, 7]]), mask).numpy()[:, 0].tolist() == [5, 7]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (tf.constant([1, 2, 3]), r"\[B, T\] or \[B, T, 1\], got the shape \(3,\)"),
        (ROWS[:2], "one for each real step.*row by row"),
        (tf.ragged.constant([[1, 2], [3, 4], []]), r"row by row, steps and real steps.*2 3"),
        (ROWS.to_tensor()[:, :2], "the steps of the sequences"),
        (ROWS.to_tensor()[:2], "the steps of the sequences"),
    ],
)
def test_other_ranks_and_lengths_are_named(values: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        flat(values)
