"""The input of estimators, alike on TensorFlow 2.21 and 2.15: features in memory."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from benchmarks.peers.work import Work, batches


def column(work: Work) -> Any:
    """The only feature, ``x``."""
    return tf.feature_column.sequence_numeric_column("x", shape=(work.features,))


class Sparse(NamedTuple):
    """N batches as arrays, made once: who calls an ``input_fn`` often measures that, too."""

    indices: Any
    """int64 [V, 3]: batch, row and number of each of the V numbers."""
    numbers: Any
    """float32 [V]."""
    shape: tuple[int, ...]
    """N, B and T * F."""
    labels: Any
    """int64 [N, B]."""


def sparse_batches(work: Work) -> Sparse:
    """The batches of the work."""
    found = batches(work, work.longest)
    numbers = np.stack([one.values.reshape(work.rows, -1) for one in found])
    ends = np.stack([one.lengths for one in found])[..., None] * work.features
    is_real = np.arange(numbers.shape[2]) < ends
    labels = np.stack([one.labels for one in found])
    return Sparse(np.argwhere(is_real), numbers[is_real], numbers.shape, labels)


def sparse_dataset(given: Sparse) -> tf.data.Dataset:
    """The batches, once: ``x`` sparse [B, T * F], and labels [B]."""
    x = tf.SparseTensor(given.indices, given.numbers, given.shape)
    return tf.data.Dataset.from_tensor_slices(({"x": x}, given.labels)).map(_cut)


def dataset(work: Work) -> tf.data.Dataset:
    """All batches of the work, without end."""
    return sparse_dataset(sparse_batches(work)).cache().repeat().prefetch(2)


def dense_dataset(work: Work) -> tf.data.Dataset:
    """The same for rows of one length: ``x`` float32 [B, T, F]."""
    found = batches(work)
    x, labels = np.stack([one.values for one in found]), np.stack([one.labels for one in found])
    return tf.data.Dataset.from_tensor_slices(({"x": x}, labels)).cache().repeat().prefetch(2)


def _cut(features: dict[str, Any], labels: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
    """With the length of the longest row of this batch."""
    return {"x": tf.sparse.reset_shape(features["x"])}, labels
