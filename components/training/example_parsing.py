"""Serialized examples become tensors: raw ones for the transform graph, others for the model.

The form of a feature, by name (B rows, T steps, F numbers per step), of the kind's type ``raw`` or
``transformed``:

    sequence, vectors        RaggedTensor float32 [B, (T), F], ragged in T only
    sequence, single values  RaggedTensor string or int64 [B, (T)]
    context, vectors         float32 [B, F]
    context, single values   string or int64 [B, 1]

Numbers are vectors, also of width 1. Row splits are int64. These are stock operations, so that the
functions here may be part of a SavedModel.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import tensorflow as tf

from components.artifacts.schema import Schema
from components.features.config import FeaturesConfig
from components.features.kind import ValueType
from components.labels.table import KINDS


def raw_feature_spec(schema: Schema) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``tf.io.parse_sequence_example`` needs for raw examples: (context, sequence).

    Neither the id nor the label is among them: a request need not have them.
    """
    return _feature_spec(_raw_types(schema.features), schema.features.context)


def parse_raw_examples(serialized: tf.Tensor, schema: Schema) -> dict[str, Any]:
    """Parses raw examples, string [B], into the form which the transform graph takes."""
    return _parse(serialized, *raw_feature_spec(schema), _raw_types(schema.features))


def parse_examples(serialized: tf.Tensor, schema: Schema) -> tuple[dict[str, Any], tf.Tensor]:
    """Parses transformed examples, string [B], into (features, labels).

    Labels are string [B], or of the form that ``components.labels`` says.
    """
    of_context = schema.features.transformed_context
    types = {**of_context, **schema.features.transformed_sequence}
    context, sequence = _feature_spec(types, of_context)
    context["label"] = KINDS[schema.label].parsing()
    features = _parse(serialized, context, sequence, types)
    return features, features.pop("label")


def parse_key(serialized: tf.Tensor, key: Literal["id", "label"]) -> tf.RaggedTensor:
    """The ids or the labels of examples alone, string [B, (n)]; raw or transformed."""
    spec = {key: tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)}
    return tf.io.parse_sequence_example(serialized, context_features=spec)[0][key]


def _raw_types(features: FeaturesConfig) -> dict[str, ValueType]:
    return {name: feature.raw for name, feature in features.by_name.items()}


def _feature_spec(
    types: dict[str, ValueType], once: Collection[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    context = {
        name: tf.io.FixedLenFeature([types[name].values_per_step], tf.as_dtype(types[name].dtype))
        for name in once
    }
    sequence = {
        name: tf.io.RaggedFeature(tf.as_dtype(types[name].dtype), row_splits_dtype=tf.int64)
        for name in types
        if name not in once
    }
    return context, sequence


def _parse(
    serialized: tf.Tensor,
    context: dict[str, Any],
    sequence: dict[str, Any],
    types: dict[str, ValueType],
) -> dict[str, Any]:
    parsed, ragged, _ = tf.io.parse_sequence_example(
        serialized, context_features=context or None, sequence_features=sequence
    )
    for name, steps in ragged.items():
        # The parser made the row splits: checking them would cost at every request.
        # From ragged steps, [B, (T), (F)], to [B, (T), F] or, of single values, [B, (T)].
        values = tf.reshape(steps.flat_values, [-1, *types[name].step_shape])
        parsed[name] = tf.RaggedTensor.from_row_splits(values, steps.row_splits, validate=False)
    return parsed
