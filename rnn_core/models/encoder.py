"""From the steps of a sequence to its representation."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from rnn_core.config.network_config import NetworkConfig
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.dropout import Dropout
from rnn_core.models.blocks.front_end import Convolutions
from rnn_core.models.blocks.layer_stack import LayerStack
from rnn_core.models.blocks.pooling import Pooling
from rnn_core.models.recurrent_layers import (
    BuiltInCell,
    CellMaker,
    RecurrentLayers,
    create_layers,
)
from rnn_core.models.stock_layers import at_their_places, real_steps_first


class Encoder:
    """Recurrent layers with what ``NetworkConfig`` puts below, between and above them.

    Args:
        wanted: the built-in layers, or what makes cells.
        fused: ``units`` was given as a number, which changes the names of the variables.
        width: F.
        sequences: whether each step has an output, or each sequence.
        store: keeps the variables.
        config: what is not 2.15's.

    Raises:
        ArgumentError: a cell has not the protocol of cells, or cannot do what is asked for.
    """

    def __init__(
        self,
        wanted: Sequence[BuiltInCell] | CellMaker,
        fused: bool,
        width: int,
        sequences: bool,
        store: VariableStore,
        config: NetworkConfig,
    ) -> None:
        self._sequences = sequences
        self._input_dropout = Dropout("input", config.input_dropout, store.seed)
        self._front_end = None
        if config.front_end:
            normalized = config.layer_normalization
            self._front_end = Convolutions(
                config.front_end, "rnn_model/front_end", width, normalized, store
            )
            width = self._front_end.width
        self._layers: RecurrentLayers
        if config.bidirectional or config.layer_normalization or config.layer_dropout:
            self._layers = LayerStack(wanted, fused, width, store, config)
        else:
            # As one, which the native and the stock operations take at once.
            self._layers = create_layers(wanted, fused, width, store, config.recurrent_dropout)
        self._pooling = None
        if config.pooling != "last":
            self._pooling = Pooling(config.pooling, self._layers.units, store)
        self._output_dropout = Dropout("output", config.output_dropout, store.seed)
        self.width = self._pooling.width if self._pooling else self._layers.units
        """R: of the representation."""
        self.written = self._layers.written
        """The names of variables that a step of a cell writes, such as counters."""

    def __call__(
        self, values: tf.Tensor, mask: tf.Tensor, training_step: tf.Tensor | None
    ) -> tf.Tensor:
        """float32 [B, R], or [B, T, R] of each step, for values [B, T, F] and a mask [B, T]."""
        values = self._input_dropout(values, training_step)
        given = mask
        if self._front_end is not None:
            real = tf.reduce_sum(tf.cast(mask, tf.int32), 1)
            values, lengths = self._front_end(real_steps_first(values, mask), real)
            mask = tf.sequence_mask(lengths, tf.shape(values)[1])
        every_step = self._sequences or self._pooling is not None
        outputs = self._layers(values, mask, training_step, every_step)
        if self._pooling is not None:
            outputs = self._pooling(outputs, mask)
        elif self._sequences and self._front_end is not None:
            outputs = at_their_places(outputs, given)
        return self._output_dropout(outputs, training_step)
