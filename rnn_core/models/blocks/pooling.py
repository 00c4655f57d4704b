"""From the outputs of all steps to one vector for each sequence."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.names import PoolingName

_SCOPE = "rnn_model/attention"


class Pooling:
    """Outputs [B, T, H] to representations [B, ``width``], over the real steps.

    ``attention`` is the mean of the outputs h_t with the weights softmax(q . tanh(W h_t + b)),
    additive attention with a learned query q: Bahdanau et al. 2015, "Neural Machine Translation by
    Jointly Learning to Align and Translate"; with a query that is a parameter, Yang et al. 2016,
    "Hierarchical Attention Networks for Document Classification". Its variables are
    ``rnn_model/attention/kernel`` (W, [H, H]), ``bias`` and ``query`` ([H]).

    Args:
        name: the kind; not ``last``, which the recurrent layers give by themselves.
        units: H.
        store: keeps the variables.
    """

    def __init__(self, name: PoolingName, units: int, store: VariableStore) -> None:
        self._name = name
        self.width = 2 * units if name == "mean_max" else units
        if name == "attention":
            glorot, zeros = initializers.glorot_uniform, initializers.zeros
            self._kernel = store.create(f"{_SCOPE}/kernel", (units, units), glorot)
            self._bias = store.create(f"{_SCOPE}/bias", (units,), zeros)
            self._query = store.create(f"{_SCOPE}/query", (units, 1), glorot)

    def __call__(self, outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
        """float32 [B, ``width``] for outputs [B, T, H] and a mask [B, T]; zeros without steps."""
        if self._name == "mean":
            return _mean(outputs, mask)
        if self._name == "max":
            return _maximum(outputs, mask)
        if self._name == "mean_max":
            return tf.concat([_mean(outputs, mask), _maximum(outputs, mask)], 1)
        return self._attention(outputs, mask)

    def _attention(self, outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
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


def _maximum(outputs: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    lowest = outputs.dtype.min
    found = tf.reduce_max(tf.where(mask[:, :, tf.newaxis], outputs, lowest), 1)
    return tf.where(tf.reduce_any(mask, 1, keepdims=True), found, 0.0)
