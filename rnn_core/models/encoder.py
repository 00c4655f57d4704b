"""From the steps of a sequence to its representation."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from rnn_core.config.network_config import NetworkConfig
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.dropout import Dropout
from rnn_core.models.blocks.front_end import Convolutions
from rnn_core.models.blocks.layer_stack import LayerStack
from rnn_core.models.blocks.pooling import Attention, pooled
from rnn_core.models.recurrent_layers import (
    BuiltInCell,
    CellMaker,
    RecurrentLayers,
    create_layers,
)
from rnn_core.models.stock_layers import at_their_places, real_steps_first
from rnn_core.names import LayerOutput


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
        self._branch = None
        if config.convolution_branch:
            scope = "rnn_model/convolution_branch"
            # Without normalization nothing keeps the size of what ReLU lets through.
            self._branch = Convolutions(config.convolution_branch, scope, width, True, store)
        self._layers: RecurrentLayers
        if config.bidirectional or config.layer_normalization or config.layer_dropout:
            self._layers = LayerStack(wanted, fused, width, store, config)
        else:
            # As one, which the native and the stock operations take at once.
            self._layers = create_layers(wanted, fused, width, store, config.recurrent_dropout)
        self._attention = None
        self._output: LayerOutput = "steps"
        if config.pooling == "attention":
            self._attention = Attention(self._layers.units, store)
        elif not sequences:
            self._output = config.pooling
        self._output_dropout = Dropout("output", config.output_dropout, store.seed)
        self.width = self._layers.units * (2 if config.pooling == "mean_max" else 1)
        if self._branch is not None:
            self.width += self._branch.width
        """R: of the representation."""
        self.written = self._layers.written
        """The names of variables that a step of a cell writes, such as counters."""

    def __call__(
        self, values: tf.Tensor, mask: tf.Tensor, training_step: tf.Tensor | None
    ) -> tf.Tensor:
        """float32 [B, R], or [B, T, R] of each step, for values [B, T, F] and a mask [B, T]."""
        values = self._input_dropout(values, training_step)
        given = mask
        if self._front_end is not None or self._branch is not None:
            values = real_steps_first(values, mask)
            lengths = tf.reduce_sum(tf.cast(mask, tf.int32), 1)
            if self._front_end is not None:
                values, lengths = self._front_end(values, lengths)
            mask = tf.sequence_mask(lengths, tf.shape(values)[1])
        outputs = self._layers(values, mask, training_step, self._output)
        if self._attention is not None:
            outputs = self._attention(outputs, mask)
        elif self._sequences and self._front_end is not None:
            outputs = at_their_places(outputs, given)
        if self._branch is not None:
            steps, left = self._branch(values, lengths)
            beside = pooled(steps, tf.sequence_mask(left, tf.shape(steps)[1]), "mean")
            outputs = tf.concat([outputs, beside], 1)
        return self._output_dropout(outputs, training_step)
