"""What TFT learns from the training split and applies to every row, served ones included."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from components.features.config import FeaturesConfig
from components.features.summaries import SUMMARIES
from components.summaries.ngrams import tf_idf
from components.summaries.summarizer import Sample, Summarizer

_LEAST_DEVIATION = 1e-4
"""A summary that varies less than its own rounding is not scaled up."""
_LARGEST = 5.0
"""Standard deviations: a summary of a new row that is further away counts as this far."""


def preprocessing_fn(
    features: FeaturesConfig, sample: Sample
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Makes the function from raw to transformed features, both in the form of ``example_parsing``.

    What is done to a feature is its kind's ``transform``, to the steps of all rows at once.

    Args:
        features: the features, and which summaries of them are wanted.
        sample: rows of the training split, from which the summaries are learned.
    """
    summaries = features.summaries
    summarizer = Summarizer.learn(features, sample)

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
        found = []
        if summaries.learns:
            found.append(_z_scores(summarizer.numbers(inputs)))
        if summaries.ngrams:
            found.append(tf_idf(summarizer.ngram_counts(inputs)))
        if found:
            outputs[SUMMARIES] = tf.concat(found, axis=1)
        return outputs

    return preprocess


def _z_scores(values: tf.Tensor) -> tf.Tensor:
    """Of each column of [B, D] over the rows of the training split, cut off far out."""
    mean = tft.mean(values, reduce_instance_dims=False, name="mean_of_summaries")
    variance = tft.var(values, reduce_instance_dims=False, name="variance_of_summaries")
    scaled = (values - mean) / tf.maximum(tf.sqrt(variance), _LEAST_DEVIATION)
    return tf.clip_by_value(scaled, -_LARGEST, _LARGEST)
