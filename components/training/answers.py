"""From the probabilities to the answer: the one place that decides it.

The exported graph holds it, so that whatever reads a model takes its ``class_ids``; the evaluation
calls it on the same probabilities.

Shapes: K labels; what stands before them is a batch of rows, or of rows and steps.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from components.artifacts.values import Threshold


def class_ids(
    probabilities: tf.Tensor, labels: Sequence[str], threshold: Threshold | None
) -> tf.Tensor:
    """The answers as places among the labels, int64 [...], from probabilities [..., K].

    Without a threshold it is the most probable label, of equal ones the first; with one, of two
    labels, the positive one where its probability is the threshold or more, else the other.
    """
    if threshold is None:
        return tf.argmax(probabilities, axis=-1)
    positive = labels.index(threshold.positive)
    # In float64: as float32 the threshold could round to the probability below it.
    reaches = tf.cast(probabilities[..., positive], tf.float64) >= threshold.value
    return tf.where(reaches, tf.constant(positive, tf.int64), tf.constant(1 - positive, tf.int64))
