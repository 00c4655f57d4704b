"""Recurrent layers on stock TensorFlow operations, with their gradients written out.

Real steps are moved to the front of each row, so that no mask is needed in the recurrence: what
comes after the last real step is computed too, but it is not read and gets no gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import tensorflow as tf

from rnn_core.models.blocks.pooling import pooled
from rnn_core.models.cells import CellKind, CellWeights, Layer
from rnn_core.models.time_loop import run_time_loop
from rnn_core.names import LayerOutput

_MOST_BLOCK_UNITS: Final = 64
"""Largest H at which TensorFlow's LSTM, one operation on one core, is faster than the loop.

For the few rows of a request to an exported model it is faster at any H.
"""


def run_stock(
    layers: Sequence[Layer],
    values: tf.Tensor,
    mask: tf.Tensor,
    output: LayerOutput,
    is_exported: bool = False,
) -> tf.Tensor:
    """Layers on top of each other.

    Args:
        layers: the lowest first.
        values: float32 [B, T, F], T >= 1.
        mask: bool [B, T], true for a real step.
        output: what is wanted of the last layer's steps.
        is_exported: whether this becomes part of an export.

    Returns:
        float32 [B, T, H], the last layer's hidden states, at a padded step that of the last real
        one; or [B, H], the last ones, or what ``pooled`` makes of the real ones. Before the first
        real step they are zero.
    """
    steps = tf.transpose(real_steps_first(values, mask), [1, 0, 2])
    for kind, weights in layers:
        steps = _run_layer(kind, weights, steps, is_exported)
    lengths = tf.reduce_sum(tf.cast(mask, tf.int32), 1)
    if output != "last":
        steps = tf.transpose(steps, [1, 0, 2])
        if output == "steps":
            return at_their_places(steps, mask)
        return pooled(steps, tf.sequence_mask(lengths, tf.shape(mask)[1]), output)
    last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.size(lengths))], axis=1)
    return _unless_none(tf.gather_nd(steps, last), lengths)


def real_steps_first(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Each row's real steps in their order, and zeros behind them."""
    # Mostly they are in front already: then the gather, and its gradient, are spared. A stable sort
    # of the padded steps behind the real ones keeps the order of both.
    values = tf.where(mask[:, :, tf.newaxis], values, 0.0)
    return tf.cond(
        tf.reduce_all(mask[:, :-1] | ~mask[:, 1:]),
        lambda: values,
        lambda: tf.gather(values, tf.argsort(tf.cast(~mask, tf.int32), stable=True), batch_dims=1),
    )


def at_their_places(steps: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The way back from ``real_steps_first``: [B, T, H], at a padded step the last real one's."""
    real_steps = tf.cumsum(tf.cast(mask, tf.int32), axis=1)
    last_real = tf.gather(steps, tf.maximum(real_steps - 1, 0), batch_dims=1)
    return _unless_none(last_real, real_steps)


def _unless_none(hidden: tf.Tensor, real_steps: tf.Tensor) -> tf.Tensor:
    """``hidden`` [..., H], but zeros where ``real_steps`` [...] is 0."""
    return tf.where(real_steps[..., tf.newaxis] > 0, hidden, 0.0)


def _run_layer(
    kind: CellKind, weights: CellWeights, inputs: tf.Tensor, is_exported: bool
) -> tf.Tensor:
    """Hidden states [T, B, H] for inputs [T, B, F], all steps real."""
    has_few_units = weights.recurrent_kernel.shape[0] <= _MOST_BLOCK_UNITS
    if kind.name == "lstm_cell" and (has_few_units or is_exported):
        return run_block_lstm(weights, inputs)
    return run_time_loop(kind, weights, inputs, is_exported)


def run_block_lstm(weights: CellWeights, inputs: tf.Tensor) -> tf.Tensor:
    """An LSTM over all time steps as one operation of TensorFlow; so is its gradient.

    Returns:
        Hidden states float32 [T, B, H] for inputs float32 [T, B, F].
    """
    hidden: tf.Tensor = _layer(
        inputs,
        tf.convert_to_tensor(weights.kernel),
        tf.convert_to_tensor(weights.recurrent_kernel),
        tf.convert_to_tensor(weights.bias),
    )
    return hidden


@tf.custom_gradient
def _layer(
    inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
    features, units = kernel.shape[0], recurrent.shape[0]
    no_state, no_peephole = tf.zeros([tf.shape(inputs)[1], units]), tf.zeros([units])
    given: dict[str, Any] = {
        "seq_len_max": tf.shape(inputs, tf.int64)[0],
        "x": inputs,
        "cs_prev": no_state,
        "h_prev": no_state,
        "w": tf.concat([kernel, recurrent], 0),
        "wci": no_peephole,
        "wcf": no_peephole,
        "wco": no_peephole,
        "b": bias,
        "use_peephole": False,
    }
    made = tf.raw_ops.BlockLSTMV2(**given, cell_clip=0.0)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
        found = tf.raw_ops.BlockLSTMGradV2(
            **given, **made._asdict(), h_grad=upstream, cs_grad=tf.zeros_like(upstream)
        )
        # For a batch without rows the operation does not write these: they hold arbitrary memory.
        has_rows = tf.shape(inputs)[1] > 0
        d_weights, d_bias = (tf.where(has_rows, d, 0.0) for d in (found.w_grad, found.b_grad))
        return found.x_grad, d_weights[:features], d_weights[features:], d_bias

    return made.h, gradient
