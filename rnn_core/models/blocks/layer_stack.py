"""Recurrent layers with something between them: a second direction, normalization, dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import tensorflow as tf

from rnn_core.config.network_config import NetworkConfig
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.dropout import Dropout
from rnn_core.models.blocks.layer_norm import LayerNorm
from rnn_core.models.blocks.pooling import pooled
from rnn_core.models.cell_protocol import UniqueNames
from rnn_core.models.recurrent_layers import (
    BuiltInCell,
    CellMaker,
    LayerMaker,
    RecurrentLayers,
    making,
)
from rnn_core.names import LayerOutput

_NORM: Final = "layer_normalization"


class _Layer(NamedTuple):
    forward: RecurrentLayers
    backward: RecurrentLayers | None
    norm: LayerNorm | None
    dropout: Dropout
    """Of what the layer reads."""


class LayerStack:
    """Layers on top of each other; see ``recurrent_layers.RecurrentLayers``.

    With a second direction each layer also reads the real steps from the last to the first, with
    weights of its own, and its outputs for a step are the two side by side: Schuster and Paliwal
    1997. The variables lie below ``rnn_model/rnn/forward`` and ``rnn_model/rnn/backward`` (or
    ``rnn_model/gru/...`` where ``units`` is a number).

    Raises:
        ArgumentError: a cell has not the protocol of cells, or cannot do what is asked for.
    """

    def __init__(
        self,
        wanted: Sequence[BuiltInCell] | CellMaker,
        fused: bool,
        width: int,
        store: VariableStore,
        config: NetworkConfig,
    ) -> None:
        names = UniqueNames()
        self._layers = []
        rate = config.recurrent_dropout
        with making(wanted, store):
            directions = ("forward", "backward") if config.bidirectional else (None,)
            makers = [LayerMaker(wanted, fused, store, rate, one) for one in directions]
            for index in range(makers[0].count):
                made = [maker.one(index, width) for maker in makers]
                reads = Dropout(
                    f"layer_{index}", config.layer_dropout if index else 0.0, store.seed
                )
                width = sum(layer.units for layer in made)
                norm = None
                if config.layer_normalization:
                    norm = LayerNorm(f"rnn_model/rnn/{names(_NORM)}", width, store)
                self._layers.append(_Layer(made[0], made[1] if made[1:] else None, norm, reads))
        self.units = width
        self.written: Sequence[str] = tuple(
            name
            for layer in self._layers
            for one in (layer.forward, layer.backward)
            if one is not None
            for name in one.written
        )

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        output: LayerOutput,
    ) -> tf.Tensor:
        """Outputs of all steps, or those that each direction has last, or what is pooled of each
        direction's; zeros without steps."""
        for layer in self._layers:
            values = layer.dropout(values, training_step)
            wanted: LayerOutput = output if layer is self._layers[-1] else "steps"
            # What is normalized is pooled behind it.
            made: LayerOutput = "steps" if layer.norm is not None and wanted != "last" else wanted
            given = values
            values = layer.forward(given, mask, training_step, made)
            if layer.backward is not None:
                # Padding is passed over wherever it stands, so that turning all steps round turns
                # the real ones round.
                turned = layer.backward(_turned(given), _turned(mask), training_step, made)
                values = _side_by_side(values, turned, made)
            if layer.norm is not None:
                values = layer.norm(values)
            if made != wanted:
                values = pooled(values, mask, wanted)
        if output == "last":
            values = tf.where(tf.reduce_any(mask, 1, keepdims=True), values, 0.0)
        return values


def _side_by_side(forward: tf.Tensor, backward: tf.Tensor, output: LayerOutput) -> tf.Tensor:
    """The outputs of two directions, of which the second has read the steps turned round."""
    if output == "steps":
        backward = _turned(backward)
    if output != "mean_max":
        return tf.concat([forward, backward], -1)
    (mean, largest), (other_mean, other_largest) = (
        tf.split(one, 2, -1) for one in (forward, backward)
    )
    return tf.concat([mean, other_mean, largest, other_largest], -1)


def _turned(steps: tf.Tensor) -> tf.Tensor:
    """[B, T, ...] with the last step first."""
    return tf.reverse(steps, [1])
