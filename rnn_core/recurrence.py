"""Recurrent layers on stock TensorFlow operations, with their gradients written out.

Real steps are moved to the front of each row, so that no mask is needed in the recurrence: what
comes behind the last real step is computed too, but nobody reads it, and it gets no gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import tensorflow as tf

from rnn_core import block_lstm, recurrent_loop
from rnn_core.cells import CellKind, CellWeights, Layer

_MOST_BLOCK_UNITS: Final = 64
"""Up to here the LSTM of TensorFlow, one operation that runs on one core, is faster than a loop.

For the few rows of a request it always is.
"""


def run_layers(
    layers: Sequence[Layer],
    values: tf.Tensor,
    mask: tf.Tensor,
    sequences: bool,
    is_exported: bool = False,
) -> tf.Tensor:
    """Layers on top of each other.

    Args:
        layers: the lowest first.
        values: float32 [B, T, F], T >= 1.
        mask: bool [B, T], true for a real step.
        sequences: whether all steps are wanted, or only the last one.
        is_exported: whether this becomes part of an export.

    Returns:
        float32 [B, T, H], the last layer's hidden states, at a padded step that of the last real
        one; or [B, H], the last ones. Before the first real step they are zero.
    """
    steps = tf.transpose(_real_steps_first(values, mask), [1, 0, 2])
    for kind, weights in layers:
        steps = _run_layer(kind, weights, steps, is_exported)
    real_steps = tf.cumsum(tf.cast(mask, tf.int32), axis=1)
    if sequences:
        hidden = tf.transpose(steps, [1, 0, 2])
        last_real = tf.gather(hidden, tf.maximum(real_steps - 1, 0), batch_dims=1)
        return _unless_none(last_real, real_steps)
    lengths = real_steps[:, -1]
    last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.size(lengths))], axis=1)
    return _unless_none(tf.gather_nd(steps, last), lengths)


def _real_steps_first(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Each row's real steps in their order, and zeros behind them."""
    values = tf.where(mask[:, :, tf.newaxis], values, 0.0)
    return tf.cond(
        tf.reduce_all(mask[:, :-1] | ~mask[:, 1:]),
        lambda: values,
        lambda: tf.gather(values, tf.argsort(tf.cast(~mask, tf.int32), stable=True), batch_dims=1),
    )


def _unless_none(hidden: tf.Tensor, real_steps: tf.Tensor) -> tf.Tensor:
    """``hidden`` [..., H], but zeros where ``real_steps`` [...] is 0."""
    return tf.where(real_steps[..., tf.newaxis] > 0, hidden, 0.0)


def _run_layer(
    kind: CellKind, weights: CellWeights, inputs: tf.Tensor, is_exported: bool
) -> tf.Tensor:
    """Hidden states [T, B, H] for inputs [T, B, F], all steps real."""
    has_few_units = weights.recurrent_kernel.shape[0] <= _MOST_BLOCK_UNITS
    if kind.name == "lstm_cell" and (has_few_units or is_exported):
        return block_lstm.run_layer(weights, inputs)
    return recurrent_loop.run_layer(kind, weights, inputs, is_exported)
