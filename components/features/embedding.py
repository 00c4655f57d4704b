"""Ids become vectors: the feature column of every kind that gives out ids."""

from __future__ import annotations

import math
from typing import Any

from components.features.kind import ValueType

_LARGEST_ONE_HOT = 16
"""So few ids can be columns of their own; a learned vector would save no weights."""
_LARGEST_DIMENSION = 64
"""As wide as the default layer behind it."""


class GivesIds:
    """What the kinds have in common whose values are ids to the model."""

    embedding_dimension: int | None

    @property
    def transformed(self) -> ValueType:
        """An id."""
        return ValueType("int64")

    def column(self, name: str, id_count: int | None, is_sequence: bool) -> Any:
        """The ids, embedded or one-hot."""
        return id_column(name, id_count, self.embedding_dimension, is_sequence)


def id_column(name: str, id_count: int | None, dimension: int | None, is_sequence: bool) -> Any:
    """A column that embeds ids in [0, ``id_count``), or without a dimension makes them one-hot."""
    import tensorflow as tf  # a config is read without it

    columns = tf.feature_column
    with_identity = (
        columns.sequence_categorical_column_with_identity
        if is_sequence
        else columns.categorical_column_with_identity
    )
    ids = with_identity(name, id_count)
    return (
        columns.indicator_column(ids)
        if dimension is None
        else columns.embedding_column(ids, dimension)
    )


def proposed_dimension(id_count: int) -> int | None:
    """A power of two near the square root; few ids are one-hot."""
    if id_count <= _LARGEST_ONE_HOT:
        return None
    # The exponent of the root, log2(n) / 2, rounded half a power up: 32 for 1,000 ids.
    return min(_LARGEST_DIMENSION, 1 << round(math.log2(id_count) / 2 + 0.5))
