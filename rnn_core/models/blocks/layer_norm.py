"""Layer normalization: each step by itself, so that neither batches nor workers matter."""

from __future__ import annotations

from typing import Final

import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore

_EPSILON: Final = 1e-3
"""Added to the variance, as in Keras: large enough for float32 where all units are alike."""


class LayerNorm:
    """(x - mean) / sqrt(variance + epsilon) * gamma + beta over the last axis: Ba et al. 2016.

    Args:
        scope: the variables are ``scope``/gamma and ``scope``/beta.
        width: of the last axis.
        store: keeps the variables.
    """

    def __init__(self, scope: str, width: int, store: VariableStore) -> None:
        self._gamma = store.create(f"{scope}/gamma", (width,), initializers.ones)
        self._beta = store.create(f"{scope}/beta", (width,), initializers.zeros)

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """Of the shape of ``values`` [..., ``width``]."""
        mean, variance = tf.nn.moments(values, -1, keepdims=True)
        return tf.nn.batch_normalization(values, mean, variance, self._beta, self._gamma, _EPSILON)
