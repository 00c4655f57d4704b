"""Recurrent layers on the native operations."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from rnn_core.kernels.library import operations
from rnn_core.models.cells import Layer
from rnn_core.names import LayerOutput


def run_native(
    layers: Sequence[Layer], values: tf.Tensor, mask: tf.Tensor, output: LayerOutput
) -> tf.Tensor:
    """As ``rnn_core.models.stock_layers.run_stock``."""
    native = operations("layers")
    assert native is not None, "there is no library: ask for operations() first"
    for index, (kind, weights) in enumerate(layers):
        values, _ = native.rnn_core_layer(
            inputs=values,
            mask=mask,
            kernel=tf.convert_to_tensor(weights.kernel),
            recurrent_kernel=tf.convert_to_tensor(weights.recurrent_kernel),
            bias=tf.convert_to_tensor(weights.bias),
            cell=kind.name,
            wanted=output if index + 1 == len(layers) else "steps",
        )
    return values


@tf.RegisterGradient("RnnCoreLayer")
def _gradient(op: tf.Operation, d_output: tf.Tensor, _: tf.Tensor) -> list[tf.Tensor | None]:
    native = operations("layers")
    assert native is not None
    _, mask, kernel, recurrent, _ = op.inputs
    # A tape lists the gradients that are not needed: that of the first layer's inputs, mostly.
    of_inputs = 0 not in (getattr(op, "skip_input_indices", None) or ())
    d_inputs, *d_weights = native.rnn_core_layer_gradient(
        mask=mask,
        kernel=kernel,
        recurrent_kernel=recurrent,
        saved=op.outputs[1],
        d_output=d_output,
        cell=op.get_attr("cell"),
        # Bytes, of an operation in a graph.
        wanted=tf.compat.as_str(op.get_attr("wanted")),
        of_inputs=of_inputs,
    )
    return [d_inputs if of_inputs else None, None, *d_weights]
