"""The input of estimators, alike on TensorFlow 2.21 and 2.15: sparse features in memory."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from benchmarks.peers.work import Work, batches


def column(work: Work) -> Any:
    """The only feature, ``x``."""
    return tf.feature_column.sequence_numeric_column("x", shape=(work.features,))


def dataset(work: Work) -> tf.data.Dataset:
    """Batches for ever: ``x`` sparse [B, T * F], and labels [B]."""
    features, labels = [], []
    for batch in batches(work, work.longest):
        numbers = batch.values.reshape(work.rows, -1)
        ragged = tf.RaggedTensor.from_tensor(numbers, batch.lengths * work.features)
        features.append(tf.sparse.expand_dims(ragged.to_sparse(), 0))
        labels.append(batch.labels)
    width = max(int(one.dense_shape[2]) for one in features)
    shape = [1, work.rows, width]
    joined = tf.sparse.concat(0, [tf.sparse.reset_shape(one, shape) for one in features])
    dataset = tf.data.Dataset.from_tensor_slices(({"x": joined}, labels))
    return dataset.map(_cut).cache().repeat().prefetch(2)


def _cut(features: dict[str, Any], labels: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
    """With the length of the longest row of this batch."""
    return {"x": tf.sparse.reset_shape(features["x"])}, labels
