"""The work of all measurements, alike on TensorFlow 2.21 and 2.15: batches that are in memory."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import tensorflow as tf

from benchmarks.scaling.work import BATCH, CLASSES, FEATURES, STEPS

_BATCHES: Final = 8


def column() -> Any:
    """The only feature, ``x``."""
    return tf.feature_column.sequence_numeric_column("x", shape=(FEATURES,))


def dataset(seed: int, sparse: bool) -> tf.data.Dataset:
    """Batches without end: ``x`` [B, T, F], or the same as sparse [B, T * F], and labels [B]."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(_BATCHES, BATCH, STEPS, FEATURES)).astype(np.float32)
    labels = random.integers(0, CLASSES, (_BATCHES, BATCH))
    features = tf.sparse.from_dense(x.reshape(_BATCHES, BATCH, -1)) if sparse else tf.constant(x)
    return tf.data.Dataset.from_tensor_slices(({"x": features}, labels)).repeat().prefetch(2)
