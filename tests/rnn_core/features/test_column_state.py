"""What feature columns ask for."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core import FeatureError
from rnn_core.features.column_state import ColumnState, FeatureCache
from rnn_core.graph.variable_store import VariableStore

column = tf.feature_column
STATE = ColumnState("scope", VariableStore(1).create)


def test_a_variable_is_named_by_its_scope_and_column_and_found_again() -> None:
    store = VariableStore(1)
    state = ColumnState("scope", store.create)
    embedding = column.embedding_column(column.categorical_column_with_identity("c", 4), 2)
    embedding.create_state(state)
    (name,) = store.variables
    assert name == "scope/c_embedding/embedding_weights"
    assert state.get_variable(embedding, "embedding_weights") is store.variables[name]


def test_a_column_is_transformed_once() -> None:
    calls = []

    def normalize(value: tf.Tensor) -> tf.Tensor:
        calls.append(1)
        return value

    numbers = column.numeric_column("x", normalizer_fn=normalize)
    cache = FeatureCache({"x": tf.ones([2, 1])})
    assert cache.get(numbers, STATE) is cache.get(numbers, STATE)
    assert calls == [1]


def test_a_feature_of_rank_one_becomes_a_column_and_a_ragged_one_sparse() -> None:
    cache = FeatureCache({"x": tf.ones([3]), "r": tf.ragged.constant([[1], [2, 3]])})
    assert cache.get("x", STATE).shape == (3, 1)
    assert isinstance(cache.get("r", STATE), tf.SparseTensor)


def test_a_scalar_is_refused() -> None:
    with pytest.raises(FeatureError, match=r"'x'.*scalar"):
        FeatureCache({"x": tf.constant(1.0)}).get("x", STATE)
