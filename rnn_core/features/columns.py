"""Feature columns as an estimator takes them: checked, in order, with their initial values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Final

import tensorflow as tf

from rnn_core.errors import ArgumentError, CheckpointError
from rnn_core.features.column_state import ColumnState
from rnn_core.features.shared_embeddings import SharedEmbedding
from rnn_core.storage import checkpoints
from rnn_core.types import FeatureColumn

SEQUENCE: Final = "sequence_feature_columns"
CONTEXT: Final = "context_feature_columns"

_METHODS: Final = {SEQUENCE: "get_sequence_dense_tensor", CONTEXT: "get_dense_tensor"}
_WANTED: Final = {
    SEQUENCE: "sequence_numeric_column, or an embedding_column, shared_embeddings or "
    "indicator_column over a sequence_categorical_column_*",
    CONTEXT: "dense columns that are not sequences: numeric_column, bucketized_column, or an "
    "embedding_column, shared_embeddings or indicator_column over a categorical column",
}


def sorted_columns(
    columns: Iterable[FeatureColumn] | FeatureColumn, argument: str
) -> tuple[FeatureColumn, ...]:
    """The columns by name, as they are concatenated.

    Args:
        columns: columns of ``tf.feature_column``, or one.
        argument: ``SEQUENCE`` or ``CONTEXT``.

    Raises:
        ArgumentError: one is of the wrong kind, or two have one name.
    """
    # A column is a named tuple, and so an iterable itself.
    several = [columns] if hasattr(columns, "parse_example_spec") else columns
    checked = [_checked(column, argument) for column in several]
    ordered = sorted((_prepared(column) for column in checked), key=lambda column: column.name)
    names = [column.name for column in ordered]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ArgumentError(f"{argument}: expected distinct names, got twice: {', '.join(twice)}.")
    return tuple(ordered)


def _checked(column: FeatureColumn, argument: str) -> FeatureColumn:
    fits = hasattr(column, _METHODS[argument])
    categories = getattr(column, "categorical_column", None)
    if categories is not None:
        # The class has no public name.
        is_sequence = type(categories).__name__ == "SequenceCategoricalColumn"
        fits = fits and is_sequence == (argument == SEQUENCE)
    if not fits:
        raise ArgumentError(
            f"{argument}: expected {_WANTED[argument]}; got {type(column).__name__} "
            f"{getattr(column, 'name', column)!r}, which cannot be used there."
        )
    return column


def _prepared(column: FeatureColumn) -> FeatureColumn:
    if hasattr(column, "shared_embedding_column_creator"):
        column = SharedEmbedding(column)
        column.lookup = _with_initial_values(column.lookup)
        return column
    return _with_initial_values(column)


def _with_initial_values(column: FeatureColumn) -> FeatureColumn:
    """The column with the checkpoint it names, if any, as its initializer."""
    checkpoint = getattr(column, "ckpt_to_load_from", None)
    if checkpoint is None:
        return column
    initial_values = FromCheckpoint(checkpoint, column.tensor_name_in_ckpt)
    return column._replace(
        initializer=initial_values, ckpt_to_load_from=None, tensor_name_in_ckpt=None
    )


# Frozen, and so hashable: columns are keys of dicts, and their initializers are part of them.
@dataclasses.dataclass(frozen=True)
class FromCheckpoint:
    """An initializer with the values of a tensor in a checkpoint (a prefix or its directory)."""

    checkpoint: str
    tensor_name: str

    def __call__(self, shape: Sequence[int], dtype: tf.DType = tf.float32) -> tf.Tensor:
        """The values.

        Raises:
            ArgumentError: there is no such checkpoint, no such tensor, or it has another shape.
        """
        try:
            given = self.checkpoint
            prefix = given if checkpoints.exists(given) else checkpoints.latest(given)
            value = checkpoints.read(prefix or given, [self.tensor_name])[self.tensor_name]
        except CheckpointError as error:
            raise ArgumentError(
                f"ckpt_to_load_from: cannot read {self.tensor_name!r} of {self.checkpoint}: {error}"
            ) from error
        if value.shape != tuple(shape):
            raise ArgumentError(
                f"ckpt_to_load_from: expected {self.tensor_name!r} with the shape {tuple(shape)}, "
                f"got {value.shape} in {self.checkpoint}."
            )
        return tf.constant(value, dtype)


def width(columns: Iterable[FeatureColumn]) -> int:
    """F, or C: how many numbers the columns give together."""
    return sum(int(column.variable_shape.num_elements()) for column in columns)


def create_state(columns: Iterable[FeatureColumn], state: ColumnState) -> None:
    """Creates the variables of all columns that have any."""
    for column in columns:
        if hasattr(column, "create_state"):
            column.create_state(state)
