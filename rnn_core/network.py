"""The network: features -> sequence -> recurrent layers -> logits.

Variables have the names of ``tf.estimator`` on TensorFlow 2.15, which are also those of the
checkpoints: ``rnn_model/rnn/gru_cell/kernel``, with ``stacked_rnn_cells`` between for several
layers, or ``rnn_model/gru/gru_cell/kernel`` if ``units`` is a number; and
``rnn_model/logits/{kernel,bias}``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rnn_core import cells, columns, initializers
from rnn_core import features as feature_input
from rnn_core.cells import CellKind
from rnn_core.column_state import ColumnState
from rnn_core.recurrence import run_layer
from rnn_core.types import Features


@dataclasses.dataclass(frozen=True)
class NetworkSpec:
    """What a network is made of; checked by the estimator."""

    sequence_columns: tuple[Any, ...]
    context_columns: tuple[Any, ...]
    cell: CellKind
    units: tuple[int, ...]
    """H of each layer, at least one."""
    fused: bool
    """``units`` was given as a number, which changes the names of the layer's variables."""
    logits_dimension: int
    """L."""
    sequence_mask: str
    """Name of the feature that, if it is in the input, says which steps are real."""


class VariableStore:
    """Makes variables by name, each with first values from the seed and its name."""

    def __init__(self, seed: int | None) -> None:
        self._seed = seed
        self.variables: dict[str, tf.Variable] = {}

    def create(
        self,
        name: str,
        shape: Sequence[int],
        initializer: initializers.Initializer,
        trainable: bool = True,
    ) -> tf.Variable:
        """The float32 variable ``name``, made if there is none yet."""
        if name in self.variables:
            return self.variables[name]
        value = initializer(shape, initializers.generator(name, self._seed))
        variable = tf.Variable(value, trainable=trainable, dtype=tf.float32, name=name)
        self.variables[name] = variable
        return variable


class Network:
    """Features to logits; ``variables`` maps each name in a checkpoint to its variable."""

    def __init__(self, spec: NetworkSpec, seed: int | None) -> None:
        store = VariableStore(seed)
        self._spec = spec
        self._sequence_state = ColumnState("sequence_features", store.create)
        self._context_state = ColumnState("dense_features", store.create)
        columns.create_state(spec.sequence_columns, self._sequence_state)
        columns.create_state(spec.context_columns, self._context_state)
        self._layers = _create_layers(spec, store)
        units = spec.units[-1]
        self._kernel = store.create(
            "rnn_model/logits/kernel", (units, spec.logits_dimension), initializers.glorot_uniform
        )
        self._bias = store.create(
            "rnn_model/logits/bias", (spec.logits_dimension,), initializers.zeros
        )
        self.variables = store.variables

    @property
    def resources(self) -> list[Any]:
        """Lookup tables of the columns that were made so far."""
        return self._sequence_state.resources + self._context_state.resources

    def __call__(self, features: Features) -> tf.Tensor:
        """float32 [B, L].

        Raises:
            MissingFeatureError, FeatureError: the features do not fit the columns.
        """
        sequence = feature_input.sequence_input(
            self._spec.sequence_columns, features, self._sequence_state, self._spec.sequence_mask
        )
        steps = tf.transpose(self._with_context(sequence.values, features), [1, 0, 2])
        mask = tf.cast(tf.transpose(sequence.mask), tf.float32)[:, :, tf.newaxis]
        for weights in self._layers:
            steps = run_layer(self._spec.cell, weights, steps, mask)
        return tf.nn.bias_add(tf.matmul(steps[-1], self._kernel), self._bias)

    def _with_context(self, values: tf.Tensor, features: Features) -> tf.Tensor:
        if not self._spec.context_columns:
            return values
        context = feature_input.context_input(
            self._spec.context_columns, features, self._context_state
        )
        repeated = tf.repeat(context[:, tf.newaxis], tf.shape(values)[1], axis=1)
        return tf.concat([values, repeated], axis=2)


def _create_layers(spec: NetworkSpec, store: VariableStore) -> list[cells.CellWeights]:
    width = columns.width(spec.sequence_columns) + columns.width(spec.context_columns)
    layers = []
    for index, units in enumerate(spec.units):
        scope = _layer_scope(spec, index)
        layers.append(cells.create_weights(spec.cell, scope, width, units, store.create))
        width = units
    return layers


def _layer_scope(spec: NetworkSpec, index: int) -> str:
    if spec.fused:
        return f"rnn_model/{spec.cell.name.removesuffix('_cell')}/{spec.cell.name}"
    if len(spec.units) == 1:
        return f"rnn_model/rnn/{spec.cell.name}"
    suffix = f"_{index}" if index else ""
    return f"rnn_model/rnn/stacked_rnn_cells/{spec.cell.name}{suffix}"
