"""The network: features -> sequence -> representation -> logits.

Variables have the names of ``tf.estimator`` on TensorFlow 2.15, which are also those of the
checkpoints: ``rnn_model/rnn/gru_cell/kernel``, with ``stacked_rnn_cells`` between for several
layers, or ``rnn_model/gru/gru_cell/kernel`` if ``units`` is a number; and
``rnn_model/logits/{kernel,bias}``. What ``NetworkConfig`` adds has names of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from rnn_core.config.network_config import NetworkConfig
from rnn_core.features import columns
from rnn_core.features import input_layer as feature_input
from rnn_core.features.column_state import ColumnState
from rnn_core.features.sequence_mask import fit_mask, given_mask, with_steps
from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.dense import DenseLayers
from rnn_core.models.blocks.dropout import Dropout
from rnn_core.models.encoder import Encoder
from rnn_core.models.recurrent_layers import BuiltInCell, CellMaker
from rnn_core.types import Array, FeatureColumn, Features, Table


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """What a network is made of; checked by the estimator."""

    sequence_columns: tuple[FeatureColumn, ...]
    context_columns: tuple[FeatureColumn, ...]
    layers: tuple[BuiltInCell, ...] | CellMaker
    fused: bool
    """``units`` was given as a number, which changes the names of the layer's variables."""
    logits_dimension: int
    """L."""
    sequence_mask: str
    """Name of the feature that, if it is in the input, says which steps are real."""
    return_sequences: bool
    """Whether each step has logits, or each sequence."""
    config: NetworkConfig


class Output(NamedTuple):
    """What a network makes of a batch."""

    logits: tf.Tensor
    """float32 [B, L]; [B, T, L] with ``return_sequences``."""
    mask: tf.Tensor | None
    """bool [B, T] with ``return_sequences``: the steps that count; else None."""
    lengths: tf.Tensor
    """int64 [B]: how many steps the recurrent layers read."""


class Network:
    """Features to logits; ``variables`` maps each name in a checkpoint to its variable."""

    def __init__(self, spec: NetworkSpec, seed: int | None) -> None:
        store, config = VariableStore(seed), spec.config
        self._spec = spec
        self._sequence_state = ColumnState("sequence_features", store.create)
        self._context_state = ColumnState("dense_features", store.create)
        columns.create_state(spec.sequence_columns, self._sequence_state)
        columns.create_state(spec.context_columns, self._context_state)
        context_width = columns.width(spec.context_columns)
        self._in_steps = config.context != "head" and context_width > 0
        self._in_head = config.context != "steps" and context_width > 0
        width = columns.width(spec.sequence_columns) + context_width * self._in_steps
        self._encoder = Encoder(
            spec.layers, spec.fused, width, spec.return_sequences, store, config
        )
        self._context_dropout = Dropout("context", config.context_dropout, seed)
        width, in_head = self._encoder.width, context_width * self._in_head
        self._hidden = DenseLayers(config.hidden_units, width + in_head, store)
        shape = (self._hidden.width, spec.logits_dimension)
        is_linear = in_head and not config.hidden_units
        initializer = _zeros_behind(width) if is_linear else initializers.glorot_uniform
        self._kernel = store.create("rnn_model/logits/kernel", shape, initializer)
        self._bias = store.create("rnn_model/logits/bias", shape[1:], initializers.zeros)
        self.variables = store.variables
        self.trainable = store.trainable
        """Those of ``variables`` that training changes."""
        self.written_by_cells = self._encoder.written
        """The names of variables that a cell writes in each step, such as counters."""

    @property
    def resources(self) -> list[Table]:
        """Lookup tables of the columns that were made so far."""
        return self._sequence_state.resources + self._context_state.resources

    def __call__(self, features: Features, training_step: tf.Tensor | None = None) -> Output:
        """Logits of each sequence, or of all steps with their mask.

        Args:
            features: the input.
            training_step: the global step before this one in training, else None.

        Raises:
            MissingFeatureError, FeatureError: the features do not fit the columns.
        """
        sequence = feature_input.sequence_input(
            self._spec.sequence_columns, features, self._sequence_state, self._spec.sequence_mask
        )
        values, mask, sequences = *sequence, self._spec.return_sequences
        if training_step is not None:
            values = with_steps(values, mask)
        context = self._context(features, tf.shape(values)[0])
        if self._in_steps:
            values = _beside_steps(values, context)
        hidden = self._encoder(values, mask, training_step)
        if self._in_head:
            context = self._context_dropout(context, training_step)
            beside = _beside_steps if sequences else _beside
            hidden = beside(hidden, context)
        hidden = self._hidden(hidden)
        lengths = tf.math.count_nonzero(mask, 1)
        if not sequences:
            logits = tf.nn.bias_add(tf.matmul(hidden, self._kernel), self._bias)
            return Output(logits, None, lengths)
        product = tf.tensordot(hidden, self._kernel, 1)
        logits = tf.ensure_shape(product + self._bias, [None, None, self._spec.logits_dimension])
        # A mask in the features says which steps are labelled; without one, all real steps are.
        key = self._spec.sequence_mask
        given = given_mask(features, key)
        counted = mask if given is None else fit_mask(given, logits, key)
        return Output(logits, counted, lengths)

    def _context(self, features: Features, batch: tf.Tensor) -> tf.Tensor:
        """float32 [B, C]; C may be 0."""
        if not self._spec.context_columns:
            return tf.zeros([batch, 0])
        context = feature_input.context_input(
            self._spec.context_columns, features, self._context_state
        )
        return feature_input.checked_rows(context, batch)


def _zeros_behind(width: int) -> initializers.Initializer:
    """Glorot's initial values in the first ``width`` rows, and zeros in those of the context.

    It is a linear model beside the network (Cheng et al. 2016), which needs no symmetry broken:
    random weights of hundreds of numbers would be noise in the logits that training must unlearn.
    """

    def initialize(shape: Sequence[int], random: np.random.Generator) -> Array:
        of_sequence = initializers.glorot_uniform((width, *shape[1:]), random)
        return np.pad(of_sequence, [(0, shape[0] - width), (0, 0)])

    return initialize


def _beside(representation: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """[B, R + C]."""
    return tf.concat([representation, context], 1)


def _beside_steps(values: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
    """``values`` [B, T, F] with the context [B, C] of its row at each step."""
    repeated = tf.repeat(context[:, tf.newaxis], tf.shape(values)[1], axis=1)
    return tf.concat([values, repeated], axis=2)
