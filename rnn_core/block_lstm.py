"""An LSTM over all time steps as one operation of TensorFlow; so is its gradient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnn_core.cells import CellWeights


def run_layer(weights: CellWeights, inputs: tf.Tensor) -> tf.Tensor:
    """Hidden states float32 [T, B, H] for inputs float32 [T, B, F]."""
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
        # Without rows the operation leaves these as it found the memory.
        has_rows = tf.shape(inputs)[1] > 0
        d_weights, d_bias = (tf.where(has_rows, d, 0.0) for d in (found.w_grad, found.b_grad))
        return found.x_grad, d_weights[:features], d_weights[features:], d_bias

    return made.h, gradient
