"""Feature columns as an estimator takes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.estimators.arguments import network_spec
from rnn_core.features.column_state import ColumnState
from rnn_core.features.columns import CONTEXT, SEQUENCE, create_state, sorted_columns
from rnn_core.features.input_layer import context_input
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.network import Network

column = tf.feature_column
STEPS = column.sequence_categorical_column_with_identity("tokens", 5)
CATEGORY = column.categorical_column_with_identity("category", 5)
IDS = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], tf.constant([1, 2, 4], tf.int64), [2, 2])
AMOUNTS = IDS.with_values(tf.constant([0.5, 1.5, 3.0]))


@pytest.mark.parametrize(
    ("given", "argument"),
    [
        (column.sequence_numeric_column("x"), CONTEXT),
        (column.embedding_column(STEPS, 2), CONTEXT),
        (column.indicator_column(STEPS), CONTEXT),
        (CATEGORY, CONTEXT),
        (column.numeric_column("x"), SEQUENCE),
        (column.embedding_column(CATEGORY, 2), SEQUENCE),
        (column.indicator_column(CATEGORY), SEQUENCE),
        (column.embedding_column(column.weighted_categorical_column(STEPS, "w"), 2), SEQUENCE),
        ("x", SEQUENCE),
    ],
)
def test_a_column_of_the_wrong_kind_is_named(given: Any, argument: str) -> None:
    with pytest.raises(
        ArgumentError, match=rf"{argument}: expected .*'{given if given == 'x' else given.name}'"
    ):
        sorted_columns([given], argument)


def test_two_columns_of_one_name_are_named() -> None:
    with pytest.raises(ArgumentError, match="twice: tokens_embedding"):
        sorted_columns([column.embedding_column(STEPS, width) for width in (2, 3)], SEQUENCE)


def context(columns: Any, features: Any) -> tuple[Any, dict[str, Any]]:
    """What the columns give, and the values of their variables by name."""
    store = VariableStore(1)
    state = ColumnState("dense_features", store.create)
    prepared = sorted_columns(columns, CONTEXT)
    create_state(prepared, state)
    run = tf.function(lambda: context_input(prepared, features, state), autograph=False)
    return run().numpy(), {name: value.numpy() for name, value in store.variables.items()}


def test_context_columns_without_variables() -> None:
    """Each kind, its value worked out by hand."""
    numbers = column.numeric_column("n", shape=(2,), normalizer_fn=lambda value: value * 2)
    buckets = column.bucketized_column(column.numeric_column("b"), [0.0, 1.0])
    words = column.categorical_column_with_vocabulary_list("w", ["p", "q"], default_value=1)
    weighted = column.weighted_categorical_column(CATEGORY, "amounts")
    defaulted = column.categorical_column_with_identity("i", 2, default_value=0)
    features = {
        "n": tf.constant([[1.0, 2.0], [3.0, 4.0]]),
        "b": tf.constant([[0.5], [7.0]]),
        "w": tf.constant([["p"], ["zz"]]),
        "category": IDS,
        "amounts": AMOUNTS,
        "i": tf.constant([[1], [9]]),
    }
    indicators = [column.indicator_column(one) for one in (words, weighted, defaulted)]
    found, variables = context([numbers, buckets, *indicators], features)
    assert not variables
    # By name: b, category weighted by amounts, i, n, w.
    assert found.tolist() == [
        [0, 1, 0, 0, 0.5, 1.5, 0, 0, 0, 1, 2, 4, 1, 0],
        [0, 0, 1, 0, 0, 0, 0, 3.0, 1, 0, 6, 8, 0, 1],
    ]


def test_context_embeddings_combine_and_weigh_and_bound_their_rows() -> None:
    weighted = column.weighted_categorical_column(CATEGORY, "amounts")
    columns = [
        column.embedding_column(CATEGORY, 2, combiner="sqrtn", max_norm=0.1),
        column.embedding_column(weighted, 3, combiner="sum"),
    ]
    found, variables = context(columns, {"category": IDS, "amounts": AMOUNTS})
    scope = "dense_features/category"
    plain = variables[f"{scope}_embedding/embedding_weights"]
    plain = plain * np.minimum(1, 0.1 / np.linalg.norm(plain, axis=1, keepdims=True))
    scaled = variables[f"{scope}_weighted_by_amounts_embedding/embedding_weights"]
    expected = [
        [*((plain[1] + plain[2]) / np.sqrt(2)), *(0.5 * scaled[1] + 1.5 * scaled[2])],
        [*plain[4], *(3 * scaled[4])],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_a_crossed_column_hashes_all_its_keys() -> None:
    crossed = column.crossed_column(["word", CATEGORY], 7)
    features = {"word": tf.constant([["a"], ["b"]]), "category": IDS}
    found, variables = context(
        [column.indicator_column(crossed), column.embedding_column(crossed, 2)], features
    )
    (name,) = variables
    assert name == "dense_features/category_X_word_embedding/embedding_weights"
    counts = found[:, 2:]
    assert counts.sum(1).tolist() == [2, 1]
    expected = counts @ variables[name] / counts.sum(1, keepdims=True)
    np.testing.assert_allclose(found[:, :2], expected, rtol=1e-5)


def test_first_values_may_come_from_a_checkpoint(tmp_path: Path) -> None:
    values = np.arange(10, dtype=np.float32).reshape(5, 2)
    path = tf.train.Checkpoint(v=tf.Variable(values)).write(str(tmp_path / "ckpt"))
    tensor = "v/.ATTRIBUTES/VARIABLE_VALUE"

    def network(tensor: str, width: int = 2) -> Network:
        from_checkpoint = column.embedding_column(
            STEPS, width, ckpt_to_load_from=path, tensor_name_in_ckpt=tensor, trainable=False
        )
        return Network(network_spec([from_checkpoint], None, [2], "gru", None, 2, "mask"), 1)

    made = network(tensor)
    name = "sequence_features/tokens_embedding/embedding_weights"
    np.testing.assert_array_equal(made.variables[name], values)
    assert name not in made.trainable
    made(features={"tokens": tf.ragged.constant([[1, 2]], tf.int64)})
    with pytest.raises(ArgumentError, match=r"expected .* with the shape \(5, 3\), got \(5, 2\)"):
        network(tensor, 3)
    with pytest.raises(ArgumentError, match="cannot read 'other'"):
        network("other")
