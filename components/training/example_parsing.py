"""Serialized examples become tensors: raw ones for the transform graph, others for the model.

The form of a feature, by name (B rows, T steps, F numbers a step):

    sequence, numeric        RaggedTensor float32 [B, (T), F], ragged in T only
    sequence, token          RaggedTensor [B, (T)]: string when raw, int64 when transformed
    sequence, id             RaggedTensor int64 [B, (T)]
    context, numeric         float32 [B, F]
    context, categorical     [B, 1]: string when raw, int64 when transformed
    context, id              int64 [B, 1]

Row splits are int64. These are stock operations, so that the functions here may be part of a
SavedModel.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from components.artifacts.schema import Schema
from components.config import Feature, FeaturesConfig, IdFeature, NumericFeature


def raw_feature_spec(schema: Schema) -> tuple[dict[str, Any], dict[str, Any]]:
    """What ``tf.io.parse_sequence_example`` needs for raw examples: (context, sequence).

    Neither the id nor the label is among them: a request need not have them.
    """
    return _feature_spec(schema.features, is_raw=True)


def parse_raw_examples(serialized: tf.Tensor, schema: Schema) -> dict[str, Any]:
    """Parses raw examples, string [B], into the form which the transform graph takes."""
    context, sequence = raw_feature_spec(schema)
    return _parse(serialized, context, sequence, schema.features)


def parse_examples(serialized: tf.Tensor, schema: Schema) -> tuple[dict[str, Any], tf.Tensor]:
    """Parses transformed examples, string [B], into (features, labels string [B])."""
    context, sequence = _feature_spec(schema.features, is_raw=False)
    context["label"] = tf.io.FixedLenFeature([], tf.string)
    features = _parse(serialized, context, sequence, schema.features)
    return features, features.pop("label")


def parse_ids(serialized: tf.Tensor) -> tf.Tensor:
    """The ids of examples, string [B]; raw or transformed."""
    spec = {"id": tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_sequence_example(serialized, context_features=spec)[0]["id"]


def _feature_spec(features: FeaturesConfig, is_raw: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    context = {
        name: tf.io.FixedLenFeature([_width(feature)], _dtype(feature, is_raw))
        for name, feature in features.context.items()
    }
    sequence = {
        name: tf.io.RaggedFeature(_dtype(feature, is_raw), row_splits_dtype=tf.int64)
        for name, feature in features.sequence.items()
    }
    return context, sequence


def _parse(
    serialized: tf.Tensor,
    context: dict[str, Any],
    sequence: dict[str, Any],
    features: FeaturesConfig,
) -> dict[str, Any]:
    parsed_context, parsed_sequence, _ = tf.io.parse_sequence_example(
        serialized, context_features=context or None, sequence_features=sequence
    )
    steps = {
        name: _uniform(parsed_sequence[name], feature)
        for name, feature in features.sequence.items()
    }
    return {**parsed_context, **steps}


def _uniform(ragged: tf.RaggedTensor, feature: Feature) -> tf.RaggedTensor:
    """From ragged steps, [B, (T), (F)], to [B, (T), F] or, of single values, [B, (T)]."""
    shape = [-1, feature.width] if isinstance(feature, NumericFeature) else [-1]
    values = tf.reshape(ragged.flat_values, shape)
    return tf.RaggedTensor.from_row_splits(values, ragged.row_splits, validate=False)


def _width(feature: Feature) -> int:
    return feature.width if isinstance(feature, NumericFeature) else 1


def _dtype(feature: Feature, is_raw: bool) -> tf.DType:
    if isinstance(feature, NumericFeature):
        return tf.float32
    return tf.int64 if isinstance(feature, IdFeature) or not is_raw else tf.string
