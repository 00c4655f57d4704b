"""Convolutions over the steps, below the recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import tensorflow as tf

from rnn_core.config.network_config import ConvolutionLayer
from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.layer_norm import LayerNorm
from rnn_core.models.cell_protocol import UniqueNames

_CONVOLUTION: Final = "conv1d"


class Convolutions:
    """Convolutions on top of each other, each with ReLU behind it.

    Their variables are ``scope``/conv1d/kernel ([kernel_steps, F, filters]) and bias, then
    ``scope``/conv1d_1 and so on; with ``normalized`` also ``scope``/layer_normalization/gamma and
    beta.

    Args:
        layers: the lowest first.
        scope: in the names of the variables.
        width: F.
        normalized: whether there is layer normalization in front of each ReLU.
        store: keeps the variables.
    """

    def __init__(
        self,
        layers: Sequence[ConvolutionLayer],
        scope: str,
        width: int,
        normalized: bool,
        store: VariableStore,
    ) -> None:
        names, self._layers = UniqueNames(), []
        for layer in layers:
            own, shape = (
                f"{scope}/{names(_CONVOLUTION)}",
                (layer.kernel_steps, width, layer.filters),
            )
            kernel = store.create(f"{own}/kernel", shape, initializers.he_normal)
            bias = store.create(f"{own}/bias", shape[2:], initializers.zeros)
            width, norm = layer.filters, None
            if normalized:
                norm = LayerNorm(f"{scope}/{names('layer_normalization')}", width, store)
            self._layers.append((layer, kernel, bias, norm))
        self.width = width
        """Of the last one's steps."""

    def __call__(self, values: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Steps [B, T', ``width``] and int32 lengths [B] for values [B, T, F] and lengths [B].

        The real steps are in front. What is behind them is zero, and does not change a row.
        """
        values = _until(lengths, values)
        for layer, kernel, bias, norm in self._layers:
            values = tf.nn.conv1d(_padded(values, layer), kernel, layer.stride, "VALID") + bias
            if norm is not None:
                values = norm(values)
            lengths = -(-lengths // layer.stride)
            values = _until(lengths, tf.nn.relu(values))
        return values, lengths


def _padded(values: tf.Tensor, layer: ConvolutionLayer) -> tf.Tensor:
    """[B, T, F] with zeros at both ends, so that T steps become ceil(T / stride).

    A step reads the middle of its kernel's steps. TensorFlow's own padding, ``SAME``, divides the
    zeros by the T of the batch, so that a row would depend on the rows beside it.
    """
    time = tf.shape(values)[1]
    left = (layer.kernel_steps - layer.stride) // 2
    right = (
        -(-time // layer.stride) * layer.stride + layer.kernel_steps - layer.stride - time - left
    )
    return tf.pad(values, [[0, 0], [left, right], [0, 0]])


def _until(lengths: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """``values`` [B, T, F] with zeros from the step ``lengths`` [B] on."""
    real = tf.sequence_mask(lengths, tf.shape(values)[1])
    return tf.where(real[:, :, tf.newaxis], values, 0.0)
