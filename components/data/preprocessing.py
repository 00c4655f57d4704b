"""What TFT learns from the training split and applies to every row, served ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from components.features.config import FeaturesConfig


def preprocessing_fn(features: FeaturesConfig) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes the function from raw to transformed features, both in the form of ``example_parsing``.

    What is done to a feature is its kind's ``transform``, to the steps of all rows at once.
    """

    def preprocess(inputs: dict[str, Any]) -> dict[str, Any]:
        outputs: dict[str, Any] = {}
        for name, feature in features.by_name.items():
            raw = inputs[name]
            is_ragged = isinstance(raw, tf.RaggedTensor)
            values = raw.values if is_ragged else raw
            transformed = feature.transform(values, name)
            if transformed is values:
                # A tensor of its own: no output of the graph may be one of its inputs.
                transformed = tf.identity(values)
            if is_ragged:
                # The parser made the row splits: checking them would cost at every request.
                transformed = tf.RaggedTensor.from_row_splits(
                    transformed, raw.row_splits, validate=False
                )
            outputs[name] = transformed
        return outputs

    return preprocess
