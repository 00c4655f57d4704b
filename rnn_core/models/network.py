"""The network: features -> sequence -> recurrent layers -> logits.

Variables have the names of ``tf.estimator`` on TensorFlow 2.15, which are also those of the
checkpoints: ``rnn_model/rnn/gru_cell/kernel``, with ``stacked_rnn_cells`` between for several
layers, or ``rnn_model/gru/gru_cell/kernel`` if ``units`` is a number; and
``rnn_model/logits/{kernel,bias}``.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import tensorflow as tf

from rnn_core.features import columns
from rnn_core.features import input_layer as feature_input
from rnn_core.features.column_state import ColumnState
from rnn_core.features.sequence_mask import fit_mask, given_mask, with_steps
from rnn_core.graph import initializers
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.recurrent_layers import BuiltInCell, CellMaker, create_layers
from rnn_core.types import FeatureColumn, Features, Table


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
    return_sequences: bool = False
    """Whether each step has logits, or only the last one."""


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
        store = VariableStore(seed)
        self._spec = spec
        self._sequence_state = ColumnState("sequence_features", store.create)
        self._context_state = ColumnState("dense_features", store.create)
        columns.create_state(spec.sequence_columns, self._sequence_state)
        columns.create_state(spec.context_columns, self._context_state)
        width = columns.width(spec.sequence_columns) + columns.width(spec.context_columns)
        self._layers = create_layers(spec.layers, spec.fused, width, store)
        shape = (self._layers.units, spec.logits_dimension)
        self._kernel = store.create("rnn_model/logits/kernel", shape, initializers.glorot_uniform)
        self._bias = store.create("rnn_model/logits/bias", shape[1:], initializers.zeros)
        self.variables = store.variables
        self.trainable = store.trainable
        """Those of ``variables`` that training changes."""
        self.written_by_cells = self._layers.written
        """The names of variables that a cell writes in each step, such as counters."""

    @property
    def resources(self) -> list[Table]:
        """Lookup tables of the columns that were made so far."""
        return self._sequence_state.resources + self._context_state.resources

    def __call__(self, features: Features, training_step: tf.Tensor | None = None) -> Output:
        """Logits of the last step, or of all steps with their mask.

        Args:
            features: the input.
            training_step: the global step before this one in training, else None.

        Raises:
            MissingFeatureError, FeatureError: the features do not fit the columns.
        """
        sequence = feature_input.sequence_input(
            self._spec.sequence_columns, features, self._sequence_state, self._spec.sequence_mask
        )
        values = sequence.values
        if training_step is not None:
            values = with_steps(values, sequence.mask)
        values, sequences = self._with_context(values, features), self._spec.return_sequences
        hidden = self._layers(values, sequence.mask, training_step, sequences)
        lengths = tf.math.count_nonzero(sequence.mask, 1)
        if not sequences:
            logits = tf.nn.bias_add(tf.matmul(hidden, self._kernel), self._bias)
            return Output(logits, None, lengths)
        product = tf.tensordot(hidden, self._kernel, 1)
        logits = tf.ensure_shape(product + self._bias, [None, None, self._spec.logits_dimension])
        # A mask in the features says which steps are labelled; without one, all real steps are.
        key = self._spec.sequence_mask
        given = given_mask(features, key)
        counted = sequence.mask if given is None else fit_mask(given, logits, key)
        return Output(logits, counted, lengths)

    def _with_context(self, values: tf.Tensor, features: Features) -> tf.Tensor:
        if not self._spec.context_columns:
            return values
        context = feature_input.context_input(
            self._spec.context_columns, features, self._context_state
        )
        batch, time = tf.unstack(tf.shape(values)[:2])
        rows = feature_input.checked_rows(context, batch)
        repeated = tf.repeat(rows[:, tf.newaxis], time, axis=1)
        return tf.concat([values, repeated], axis=2)
