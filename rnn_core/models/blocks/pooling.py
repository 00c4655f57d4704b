"""From the outputs of all steps to one vector for each sequence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.names import LayerOutput

_SCOPE: Final = "rnn_model/attention"


def pooled(outputs: tf.Tensor, mask: tf.Tensor, output: LayerOutput) -> tf.Tensor:
    """The ``mean``, the ``max`` or both over the real steps; zeros of a row without steps.

    The native operations give the same without the outputs of all steps in between. Where several
    steps have the largest number, the gradient of the maximum goes to the first one.

    Returns:
        float32 [B, H], or [B, 2 H] of ``mean_max``, for outputs [B, T, H] and a mask [B, T].
    """
    if output == "mean":
        return _mean(outputs, mask)
    if output == "max":
        return _maximum(outputs, mask)
    return tf.concat([_mean(outputs, mask), _maximum(outputs, mask)], 1)


class Attention:
    """The mean of the real steps' outputs h_t with the weights softmax(q . tanh(W h_t + b)).

    Additive attention with a learned query q: Bahdanau et al. 2015, "Neural Machine Translation by
    Jointly Learning to Align and Translate"; with a query that is a parameter, Yang et al. 2016,
    "Hierarchical Attention Networks for Document Classification". Its variables are
    ``rnn_model/attention/kernel`` (W, [H, H]), ``bias`` and ``query`` ([H]).

    Args:
        units: H.
        store: keeps the variables.
    """

    def __init__(self, units: int, store: VariableStore) -> None:
        glorot, zeros = initializers.glorot_uniform, initializers.zeros
        self._kernel = store.create(f"{_SCOPE}/kernel", (units, units), glorot)
        self._bias = store.create(f"{_SCOPE}/bias", (units,), zeros)
        self._query = store.create(f"{_SCOPE}/query", (units, 1), glorot)

    def __call__(self, outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """float32 [B, H] for outputs [B, T, H] and a mask [B, T]; zeros without steps."""
        hidden = tf.tanh(tf.tensordot(outputs, self._kernel, 1) + self._bias)
        scores = tf.tensordot(hidden, self._query, 1)[:, :, 0]
        weights = tf.nn.softmax(tf.where(mask, scores, scores.dtype.min), axis=1)
        # Of a row without steps all scores are alike, and so are the weights: it must have none.
        return _weighted(outputs, tf.where(mask, weights, 0.0))


def _mean(outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    real = tf.cast(mask, tf.float32)
    steps = tf.maximum(tf.reduce_sum(real, 1, keepdims=True), 1.0)
    return _weighted(outputs, real / steps)


def _weighted(outputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """The sum over the steps of outputs [B, T, H] times weights [B, T]."""
    return tf.matmul(weights[:, tf.newaxis], outputs)[:, 0]


@tf.custom_gradient
def _maximum(
    outputs: tf.Tensor, mask: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, None]]]:
    real = mask[:, :, tf.newaxis]
    found = tf.reduce_max(tf.where(real, outputs, outputs.dtype.min), 1)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, None]:
        # TensorFlow's own would give each of the steps that are equally large its share.
        time = tf.shape(outputs)[1]
        steps = tf.range(time)[:, tf.newaxis]
        is_largest = real & (outputs == found[:, tf.newaxis])
        first = tf.reduce_min(tf.where(is_largest, steps, time), 1)
        return tf.where(steps == first[:, tf.newaxis], upstream[:, tf.newaxis], 0.0), None

    return tf.where(tf.reduce_any(mask, 1, keepdims=True), found, 0.0), gradient
