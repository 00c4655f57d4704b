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

# By cross-validation on the training rows of two public sets of tokens (docs/quality.md), of 5, 10,
# 20 and 40: with more, short texts are learned by heart, and with less, long ones slowly.
_TF_IDF_NORM = 10.0


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
                # A number at each step has a shape of its own, [1], and an id that it becomes none.
                transformed = tf.reshape(transformed, [-1, *feature.transformed.step_shape])
                # The parser made the row splits: checking them would cost at every request.
                transformed = tf.RaggedTensor.from_row_splits(
                    transformed, raw.row_splits, validate=False
                )
            outputs[name] = transformed
        groups = [_z_scores(*group) for group in summarizer.numbers(inputs).items()]
        # A few statistics count as much as thousands of convolutions: all groups of z-scores have
        # the same sum of squares.
        widest = max((group.shape[1] for group in groups), default=1)
        groups = [group * (widest / group.shape[1]) ** 0.5 for group in groups]
        if summaries.ngrams:
            groups.append(_TF_IDF_NORM * tf_idf(summarizer.ngram_counts(inputs)))
        if groups:
            outputs[SUMMARIES] = tf.concat(groups, axis=1)
        return outputs

    return preprocess


def _z_scores(name: str, values: tf.Tensor) -> tf.Tensor:
    """Of each column of [B, D] over the rows of the training split, cut off far out."""
    mean = tft.mean(values, reduce_instance_dims=False, name=f"mean_of_{name}")
    variance = tft.var(values, reduce_instance_dims=False, name=f"variance_of_{name}")
    scaled = (values - mean) / tf.maximum(tf.sqrt(variance), _LEAST_DEVIATION)
    return tf.clip_by_value(scaled, -_LARGEST, _LARGEST)
