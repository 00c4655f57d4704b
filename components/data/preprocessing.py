"""What TFT learns from the training split and applies to every row, served ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.features.config import AnyFeature, FeaturesConfig


def preprocessing_fn(features: FeaturesConfig) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes the function from raw to transformed features, both in the form of ``example_parsing``.

    What is done to a feature is its kind's ``transform``.
    """

    def preprocess(inputs: dict[str, Any]) -> dict[str, Any]:
        return {
            name: _transform(inputs[name], name, feature)
            for name, feature in features.by_name.items()
        }

    return preprocess


def _transform(raw: Any, name: str, feature: AnyFeature) -> Any:
    """Transforms the values of all steps at once and gives them their rows back."""
    values = raw.values if isinstance(raw, tf.RaggedTensor) else raw
    transformed = feature.transform(values, name)
    if transformed is values:
        # A tensor of its own: no output of the graph may be one of its inputs.
        transformed = tf.identity(values)
    if not isinstance(raw, tf.RaggedTensor):
        return transformed
    # The row splits were made by the parser: checking them again would cost at every request.
    return tf.RaggedTensor.from_row_splits(transformed, raw.row_splits, validate=False)
