"""From the schema of the examples to the feature columns of the estimator."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.config import Feature, NumericFeature
from components.quiet import quiet_libraries
from components.schema import Schema


def feature_columns(schema: Schema) -> tuple[list[Any], list[Any]]:
    """The (sequence, context) columns that read what ``components.batches`` yields."""
    # Each column warns that it is deprecated; rnn_core is what keeps them in use.
    with quiet_libraries():
        return _sequence_columns(schema), _context_columns(schema)


def _sequence_columns(schema: Schema) -> list[Any]:
    return [
        _sequence_column(name, feature, schema)
        for name, feature in sorted(schema.features.sequence.items())
    ]


def _context_columns(schema: Schema) -> list[Any]:
    return [
        _context_column(name, feature, schema)
        for name, feature in sorted(schema.features.context.items())
    ]


def _sequence_column(name: str, feature: Feature, schema: Schema) -> Any:
    if isinstance(feature, NumericFeature):
        return tf.feature_column.sequence_numeric_column(name, shape=(feature.width,))
    ids = tf.feature_column.sequence_categorical_column_with_identity(
        name, schema.vocabulary_sizes[name]
    )
    return _dense(ids, feature.embedding_dimension)


def _context_column(name: str, feature: Feature, schema: Schema) -> Any:
    if isinstance(feature, NumericFeature):
        return tf.feature_column.numeric_column(name, shape=(feature.width,))
    ids = tf.feature_column.categorical_column_with_identity(name, schema.vocabulary_sizes[name])
    return _dense(ids, feature.embedding_dimension)


def _dense(ids: Any, embedding_dimension: int | None) -> Any:
    if embedding_dimension is None:
        return tf.feature_column.indicator_column(ids)
    return tf.feature_column.embedding_column(ids, embedding_dimension)
