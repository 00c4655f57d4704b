"""The types that several modules share.

Shapes are written with B (batch), T (time steps), F (features of a step), C (context features),
H (hidden units), K (classes) and L (logits: K, or 1 for two classes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

TensorLike: TypeAlias = tf.Tensor | tf.SparseTensor | tf.RaggedTensor

Features: TypeAlias = Mapping[str, TensorLike]
"""By name, with the batch as the first dimension: [B, ...]."""

Labels: TypeAlias = TensorLike | Mapping[str, TensorLike] | None
"""What ``input_fn`` returns beside the features; each head and ``model_fn`` says what it takes."""

FeatureColumn: TypeAlias = Any
"""A column of ``tf.feature_column``, whose classes have no public names."""

Table: TypeAlias = tf.saved_model.experimental.TrackableResource
"""A lookup table, such as that of a vocabulary."""

InputFn: TypeAlias = Callable[..., Any]
"""Returns a ``tf.data.Dataset`` of ``(features, labels)`` or of ``features``, or one such value."""

Predictions: TypeAlias = dict[str, tf.Tensor]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class ModeKeys:
    """What an ``input_fn`` with a ``mode`` argument is asked for; values as in ``tf.estimator``."""

    TRAIN: Final = "train"
    EVAL: Final = "eval"
    PREDICT: Final = "infer"
