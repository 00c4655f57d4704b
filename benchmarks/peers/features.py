"""The input of estimators, alike on TensorFlow 2.21 and 2.15: features in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from benchmarks.peers.work import Work, batches


def column(work: Work) -> Any:
    """The only feature, ``x``."""
    return tf.feature_column.sequence_numeric_column("x", shape=(work.features,))


def dataset(work: Work) -> tf.data.Dataset:
    """Batches for ever: ``x`` sparse [B, T * F], and labels [B]."""
    found = batches(work, work.longest)
    numbers = np.stack([one.values.reshape(work.rows, -1) for one in found])
    ends = np.stack([one.lengths for one in found])[..., None] * work.features
    is_real = np.arange(numbers.shape[2]) < ends
    x = tf.SparseTensor(np.argwhere(is_real), numbers[is_real], numbers.shape)
    labels = np.stack([one.labels for one in found])
    dataset = tf.data.Dataset.from_tensor_slices(({"x": x}, labels))
    return dataset.map(_cut).cache().repeat().prefetch(2)


def dense_dataset(work: Work) -> tf.data.Dataset:
    """The same for rows of one length: ``x`` float32 [B, T, F]."""
    found = batches(work)
    x, labels = np.stack([one.values for one in found]), np.stack([one.labels for one in found])
    return tf.data.Dataset.from_tensor_slices(({"x": x}, labels)).cache().repeat().prefetch(2)


def _cut(features: dict[str, Any], labels: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
    """With the length of the longest row of this batch."""
    return {"x": tf.sparse.reset_shape(features["x"])}, labels
