"""Numbers in any spelling as dense steps or rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rnn_core import FeatureError, MissingFeatureError
from rnn_core.features.column_state import ColumnState, FeatureCache
from rnn_core.features.numeric_features import (
    dense_context_numbers,
    flat_steps,
    normalized,
    padded_numbers,
    padded_sparse_numbers,
)
from rnn_core.graph.runtime_checks import named_errors

fc = tf.feature_column
RAGGED = tf.ragged.constant([[1.0, 2.0, 3.0], [4.0]])


def plus_one(values: tf.Tensor) -> tf.Tensor:
    return values + 1


def plus_one_sparse(values: tf.SparseTensor) -> tf.SparseTensor:
    return values.with_values(values.values + 1)


@pytest.mark.parametrize("normalizer", [plus_one, plus_one_sparse])
def test_a_normalizer_gets_a_sparse_tensor_or_its_values(normalizer: Any) -> None:
    column = fc.sequence_numeric_column("n", normalizer_fn=normalizer)
    found = normalized(column, RAGGED.to_sparse())
    assert tf.sparse.to_dense(found).numpy().tolist() == [[2, 3, 4], [5, 0, 0]]


def test_a_normalizer_gets_the_numbers_of_a_ragged_and_the_whole_of_a_dense_sequence() -> None:
    column = fc.sequence_numeric_column("n", normalizer_fn=plus_one)
    assert normalized(column, RAGGED).to_list() == [[2, 3, 4], [5]]
    assert normalized(column, tf.zeros([1, 2])).numpy().tolist() == [[1, 1]]


def test_a_ragged_sequence_is_padded_with_the_default() -> None:
    column = fc.sequence_numeric_column("n", default_value=9.0)
    values, lengths = padded_numbers(column, RAGGED)
    assert values[:, :, 0].numpy().tolist() == [[1, 2, 3], [4, 9, 9]]
    assert lengths.numpy().tolist() == [3, 1]


def test_a_flat_ragged_row_is_cut_into_steps_and_its_last_step_filled() -> None:
    column = fc.sequence_numeric_column("n", shape=(2,))
    values, lengths = padded_numbers(column, RAGGED)
    assert values.numpy().tolist() == [[[1, 2], [3, 0]], [[4, 0], [0, 0]]]
    assert lengths.numpy().tolist() == [2, 1]


@pytest.mark.parametrize("shape", [[2], [2, 3], [2, 3, 5]])
def test_a_dense_sequence_of_another_rank_or_width_is_named(shape: list[int]) -> None:
    column = fc.sequence_numeric_column("n", shape=(2,))
    with pytest.raises(FeatureError, match=r"'n': expected \[batch, steps, 2\]"):
        flat_steps(tf.zeros(shape), column)


def test_context_numbers_become_dense_with_what_lacks_filled() -> None:
    plain = fc.numeric_column("plain", shape=(3,))
    filled = fc.bucketized_column(fc.numeric_column("filled", default_value=7.0), [1.0])
    single = tf.ragged.constant([[], [5.0]], tf.float32)
    features = {"plain": RAGGED, "filled": single, "other": RAGGED}
    dense = dense_context_numbers([plain, filled], features)
    assert dense["plain"].numpy().tolist() == [[1, 2, 3], [4, 0, 0]]
    assert dense["filled"].numpy().tolist() == [[7], [5]]
    assert dense["other"] is RAGGED


def test_a_context_row_with_too_many_numbers_is_named() -> None:
    column = fc.numeric_column("n", shape=(2,))
    dense = tf.function(lambda feature: dense_context_numbers([column], {"n": feature}))
    with (
        pytest.raises(FeatureError, match="'n': expected at most 2 numbers per"),
        named_errors(),
    ):
        dense(RAGGED)


def test_a_context_number_that_is_not_there_is_named() -> None:
    with pytest.raises(MissingFeatureError, match="'n'"):
        dense_context_numbers([fc.numeric_column("n")], {})


@st.composite
def sparse_sequences(draw: st.DrawFn, rank: int) -> tf.SparseTensor:
    """Any sorted places, rows without any and gaps between them included."""
    shape = [draw(st.integers(1, 4)), draw(st.integers(1, 7)), 2][:rank]
    size = int(np.prod(shape))
    is_set = draw(st.lists(st.booleans(), min_size=size, max_size=size))
    places = np.argwhere(np.reshape(is_set, shape))
    values = np.arange(1, len(places) + 1, dtype=np.float32)
    return tf.SparseTensor(places.reshape(-1, rank), values, shape)


@pytest.mark.slow
@given(data=st.data(), rank=st.sampled_from([2, 3]), default=st.sampled_from([0.0, -1.0]))
def test_sparse_numbers_are_those_of_the_column(
    data: st.DataObject, rank: int, default: float
) -> None:
    feature = data.draw(sparse_sequences(rank))
    if rank == 2 and feature.shape[1] % 2:
        feature = tf.sparse.reset_shape(feature, [feature.shape[0], feature.shape[1] + 1])
    column = fc.sequence_numeric_column("n", shape=(2,), default_value=default)
    values, lengths = padded_sparse_numbers(column, feature)
    state = ColumnState("unused", lambda *_: None)
    expected = column.get_sequence_dense_tensor(FeatureCache({"n": feature}), state)
    np.testing.assert_array_equal(values, expected.dense_tensor)
    np.testing.assert_array_equal(lengths, expected.sequence_length)


def test_sparse_numbers_out_of_order_are_refused() -> None:
    feature = tf.SparseTensor([[1, 0], [0, 0]], [1.0, 2.0], [2, 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of order"):
        padded_sparse_numbers(fc.sequence_numeric_column("n"), feature)
