"""Embeddings that several columns share."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.estimators.arguments import network_spec
from rnn_core.models.network import Network

column = tf.feature_column


def shared(categories: Any, **more: Any) -> Any:
    # As under 2.15, the function refuses to be called eagerly.
    with tf.Graph().as_default():
        return column.shared_embeddings(categories, 3, **more)


def test_columns_of_sequence_and_context_share_one_variable_named_by_the_collection() -> None:
    sequence, context = shared(
        [
            column.sequence_categorical_column_with_identity("tokens", 5),
            column.categorical_column_with_identity("topic", 5),
        ]
    )
    plain = column.embedding_column(column.categorical_column_with_identity("topic", 5), 2)
    spec = network_spec([sequence], [context, plain], [2], "gru", None, 2, "mask")
    network = Network(spec, 1)
    embeddings = {k: v.shape for k, v in network.variables.items() if "embedding" in k}
    assert embeddings == {
        "tokens_topic_shared_embedding": (5, 3),
        "dense_features/topic_embedding/embedding_weights": (5, 2),
    }
    features = {"tokens": tf.ragged.constant([[1]], tf.int64), "topic": tf.constant([[4]])}
    table = network.trainable["tokens_topic_shared_embedding"]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(network(features).logits ** 2)
    rows = tf.convert_to_tensor(tape.gradient(loss, table)).numpy().any(1)
    assert rows.tolist() == [False, True, False, False, True]


def test_settings_of_the_collection_reach_the_variable() -> None:
    steps = [column.sequence_categorical_column_with_identity(name, 4) for name in ("a", "b")]
    columns = shared(
        steps,
        shared_embedding_collection_name="mine",
        initializer=tf.compat.v1.constant_initializer(2.0),
        trainable=False,
    )
    network = Network(network_spec(columns, None, [2], "gru", None, 2, "mask"), 1)
    np.testing.assert_array_equal(network.variables["mine"], np.full((4, 3), 2, np.float32))
    assert "mine" not in network.trainable
