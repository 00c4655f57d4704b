"""What TFT learns from the training split and applies to every row, served ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.config import Feature, FeaturesConfig, NumericFeature, VocabularyFeature


def preprocessing_fn(features: FeaturesConfig) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes the function from raw to transformed features, both in the form of ``parsing``.

    Numeric features are scaled by the mean and standard deviation of each of their F numbers, over
    all steps of all training rows; strings get their rank by frequency, or one of the buckets out
    of the vocabulary by their hash; ids stay as they are.
    """
    every = {**features.context, **features.sequence}

    def preprocess(inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: _on_values(inputs[name], name, every[name]) for name in every}

    return preprocess


def vocabulary_name(name: str) -> str:
    """The file that holds the vocabulary of a feature."""
    return f"vocabulary_{name}"


def _on_values(raw: Any, name: str, feature: Feature) -> Any:
    """Transforms the values of all steps at once and gives them their rows back."""
    if not isinstance(raw, tf.RaggedTensor):
        return _transform(raw, name, feature)
    # The row splits were made by the parser: checking them again would cost at every request.
    values = _transform(raw.values, name, feature)
    return tf.RaggedTensor.from_row_splits(values, raw.row_splits, validate=False)


def _transform(values: tf.Tensor, name: str, feature: Feature) -> tf.Tensor:
    if isinstance(feature, NumericFeature):
        if feature.normalize == "none":
            return tf.identity(values)
        return tft.scale_to_z_score(values, elementwise=True, name=f"z_score_{name}")
    if isinstance(feature, VocabularyFeature):
        return tft.compute_and_apply_vocabulary(
            values,
            top_k=feature.max_size,
            frequency_threshold=feature.min_frequency,
            num_oov_buckets=feature.oov_buckets,
            vocab_filename=vocabulary_name(name),
            name=f"apply_{vocabulary_name(name)}",
        )
    return tf.identity(values)
