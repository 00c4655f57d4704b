"""Dense layers between a representation and the logits."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.cell_protocol import UniqueNames


class DenseLayers:
    """Dense layers with ReLU on top of each other; none if ``units`` is empty.

    Their variables are ``rnn_model/hidden/dense/kernel`` and ``bias``, then ``dense_1`` and so on.

    Args:
        units: of each layer, the lowest first.
        width: of the input.
        store: keeps the variables.
    """

    def __init__(self, units: Sequence[int], width: int, store: VariableStore) -> None:
        names, self._layers = UniqueNames(), []
        for count in units:
            scope = f"rnn_model/hidden/{names('dense')}"
            kernel = store.create(f"{scope}/kernel", (width, count), initializers.he_normal)
            bias = store.create(f"{scope}/bias", (count,), initializers.zeros)
            self._layers.append((kernel, bias))
            width = count
        self.width = width
        """Of the output."""

    def __call__(self, values: tf.Tensor) -> tf.Tensor:
        """[..., ``width``] for values [..., R]."""
        for kernel, bias in self._layers:
            values = tf.nn.relu(tf.tensordot(values, kernel, 1) + bias)
        return values
