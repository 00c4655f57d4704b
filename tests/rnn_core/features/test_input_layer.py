"""From named features to the network's input; and the network on three spellings of one input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core import ArgumentError, FeatureError, MissingFeatureError
from rnn_core.estimators.arguments import network_spec
from rnn_core.features.column_state import ColumnState
from rnn_core.features.columns import CONTEXT, SEQUENCE, sorted_columns
from rnn_core.features.input_layer import context_input, sequence_input
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.models.network import Network

column = tf.feature_column
NUMBERS = column.sequence_numeric_column("numbers", shape=(2,))
TOKENS = column.embedding_column(column.sequence_categorical_column_with_identity("tokens", 9), 3)
STATE = ColumnState("unused", lambda *_: None)


def ragged(lengths: list[int]) -> dict[str, Any]:
    random = np.random.default_rng(sum(lengths))
    steps = sum(lengths)
    numbers = random.normal(size=(steps, 2)).astype(np.float32)
    return {
        "numbers": tf.RaggedTensor.from_row_lengths(numbers, lengths),
        "tokens": tf.RaggedTensor.from_row_lengths(random.integers(0, 9, steps), lengths),
    }


def longer(sparse: tf.SparseTensor, extra: int) -> tf.SparseTensor:
    shape = sparse.dense_shape + tf.constant([0, extra] + [0] * (sparse.shape.rank - 2), tf.int64)
    return tf.SparseTensor(sparse.indices, sparse.values, shape)


@pytest.fixture(scope="module")
def network() -> Network:
    spec = network_spec([NUMBERS, TOKENS], None, [4], "lstm", None, 2, "sequence_mask")
    return Network(spec, 3)


@pytest.mark.slow
@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5), extra=st.integers(0, 3))
@settings(max_examples=12)
def test_ragged_sparse_and_padded_dense_give_the_same_logits(
    network: Network, lengths: list[int], extra: int
) -> None:
    features = ragged(lengths)
    expected = network(features).logits.numpy()
    sparse = {name: longer(value.to_sparse(), extra) for name, value in features.items()}
    np.testing.assert_array_equal(network(sparse).logits.numpy(), expected)
    time = max(lengths) + extra + 1
    dense = {
        "numbers": features["numbers"].to_tensor(7.0, shape=[None, time, 2]),
        "tokens": features["tokens"].to_tensor(-1, shape=[None, time]),
    }
    np.testing.assert_array_equal(network(dense).logits.numpy(), expected)


@given(lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4), other=st.integers(1, 9))
@settings(max_examples=12)
def test_a_longer_row_in_the_batch_does_not_change_the_others(
    network: Network, lengths: list[int], other: int
) -> None:
    alone, extra = ragged(lengths), ragged([other])
    together = {name: tf.concat([alone[name], extra[name]], 0) for name in alone}
    np.testing.assert_allclose(
        network(together).logits.numpy()[:-1], network(alone).logits.numpy(), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(
    "rows",
    [
        [[[1, 2], [2], []], [[2]]],
        [[[], [1], [], [2], []], [[]]],
        [[[], []], [[]]],
        [[], [[], []]],
        [[], []],
    ],
)
@pytest.mark.parametrize("kind", [column.embedding_column, column.indicator_column])
def test_steps_of_a_ragged_row_without_tokens_count(rows: list[Any], kind: Any) -> None:
    tokens = column.sequence_categorical_column_with_identity("tokens", 3)
    reads_tokens = kind(tokens, 2) if kind is column.embedding_column else kind(tokens)
    spec = network_spec([reads_tokens, NUMBERS], None, [4], "gru", None, 2, "mask")
    lengths = [len(row) for row in rows]
    features = {
        "tokens": tf.ragged.constant(rows, ragged_rank=2, dtype=tf.int64),
        "numbers": ragged(lengths)["numbers"],
    }
    network = tf.function(Network(spec, 3), autograph=False)
    output = network(features)
    assert output.lengths.numpy().tolist() == lengths
    for row in range(2):
        alone = network({name: value[row : row + 1] for name, value in features.items()})
        np.testing.assert_allclose(alone.logits[0], output.logits[row], rtol=1e-5, atol=1e-6)


def test_a_sparse_row_ends_at_its_last_token_as_in_2_15() -> None:
    spec = network_spec(
        [column.indicator_column(column.sequence_categorical_column_with_identity("tokens", 3))],
        None,
        [4],
        "gru",
        None,
        2,
        "mask",
    )
    tokens = tf.ragged.constant([[[1, 2], [], [2], []], [[2]]], dtype=tf.int64).to_sparse()
    assert Network(spec, 3)({"tokens": tokens}).lengths.numpy().tolist() == [3, 1]


def test_a_mask_among_the_features_says_which_dense_steps_are_real() -> None:
    spec = network_spec([NUMBERS], None, [4], "gru", None, 2, "mask")
    network = Network(spec, 3)
    lengths = [2, 4]
    numbers = ragged(lengths)["numbers"]
    dense = {"numbers": numbers.to_tensor(5.0), "mask": tf.sequence_mask(lengths)}
    np.testing.assert_array_equal(
        network(dense).logits.numpy(), network({"numbers": numbers}).logits.numpy()
    )


def test_a_dense_sequence_alone_has_all_its_steps() -> None:
    given = sequence_input([NUMBERS], {"numbers": tf.ones([2, 3, 2])}, STATE, "mask")
    assert given.mask.numpy().tolist() == [[True] * 3] * 2


def test_columns_lie_side_by_side_in_the_order_of_their_names() -> None:
    columns = [column.sequence_numeric_column(name) for name in ("b", "a")]
    features = {"a": tf.ragged.constant([[1.0]]), "b": tf.ragged.constant([[2.0]])}
    ordered = sorted_columns(columns, SEQUENCE)
    assert sequence_input(ordered, features, STATE, "mask").values.numpy().tolist() == [[[1, 2]]]


def test_flat_rows_are_cut_into_steps_of_the_columns_width() -> None:
    rows = tf.ragged.constant([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0]])
    for feature in (rows, rows.to_sparse()):
        given = sequence_input([NUMBERS], {"numbers": feature}, STATE, "mask")
        assert given.values.numpy().tolist() == [[[1, 2], [3, 4]], [[5, 6], [0, 0]]]
        assert given.mask.numpy().tolist() == [[True, True], [True, False]]


def test_a_normalizer_does_not_touch_the_padding() -> None:
    normalized = column.sequence_numeric_column("numbers", normalizer_fn=lambda value: value + 1)
    rows = {"numbers": tf.ragged.constant([[1.0, 2.0], [3.0]])}
    given = sequence_input([normalized], rows, STATE, "mask")
    assert given.values.numpy()[:, :, 0].tolist() == [[2, 3], [4, 0]]


def test_context_columns_take_ragged_categories_too() -> None:
    category = column.indicator_column(column.categorical_column_with_identity("c", 3))
    features = {"c": tf.ragged.constant([[0, 2], [1]], dtype=tf.int64)}
    assert context_input([category], features, STATE).numpy().tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_missing_feature_is_named_with_those_there_are() -> None:
    with pytest.raises(MissingFeatureError, match=r"'numbers' is not in the input.*other"):
        sequence_input([NUMBERS], {"other": tf.ones([1])}, STATE, "mask")


def test_another_width_is_named() -> None:
    with pytest.raises(FeatureError, match=r"expected \[batch, steps, 2\]"):
        sequence_input([NUMBERS], {"numbers": tf.ones([2, 3, 5])}, STATE, "mask")


def test_sequences_of_different_lengths_are_named() -> None:
    columns = [column.sequence_numeric_column(name) for name in ("a", "b")]
    features = {"a": tf.ragged.constant([[1.0]]), "b": tf.ragged.constant([[2.0, 3.0]])}
    run = tf.function(
        lambda: sequence_input(columns, features, STATE, "mask").values, autograph=False
    )
    shown = r"'a' and 'b' have different lengths.*: \[\[1 2\]\]"
    with pytest.raises(FeatureError, match=shown), named_errors():
        run()


def test_a_column_of_the_wrong_kind_is_named() -> None:
    with pytest.raises(ArgumentError, match=r"context_feature_columns.*'numbers'"):
        sorted_columns([NUMBERS], CONTEXT)
    with pytest.raises(ArgumentError, match=r"sequence_feature_columns.*'x'"):
        sorted_columns([column.numeric_column("x")], SEQUENCE)


def test_two_columns_of_one_name_are_named() -> None:
    with pytest.raises(ArgumentError, match="twice: numbers"):
        sorted_columns([NUMBERS, NUMBERS], SEQUENCE)
