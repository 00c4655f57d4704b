"""The types that several modules share.

Shapes are written with B (batch), T (time steps), F (features of a step), C (context features),
H (hidden units), K (classes) and L (logits: K, or 1 for two classes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

Features: TypeAlias = Mapping[str, Any]
"""Name to ``tf.Tensor``, ``tf.SparseTensor`` or ``tf.RaggedTensor``."""

InputFn: TypeAlias = Callable[..., Any]
"""Returns a ``tf.data.Dataset`` of ``(features, labels)`` or of ``features``, or one such value."""

Predictions: TypeAlias = dict[str, tf.Tensor]

Array: TypeAlias = "np.ndarray[Any, np.dtype[Any]]"


class ModeKeys:
    """What an ``input_fn`` with a ``mode`` argument is asked for; values as in ``tf.estimator``."""

    TRAIN: Final = "train"
    EVAL: Final = "eval"
    PREDICT: Final = "infer"
