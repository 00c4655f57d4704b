"""Metrics of scores in [0, 1] against labels: at one threshold, and along the two curves.

All are made of sums over the batch, so that they may be added up over any parts of an evaluation.
A label above 0 counts as positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import tensorflow as tf

from rnn_core.errors import ArgumentError

_BUCKETS: Final = 199
"""The curves are sampled at 200 evenly spaced thresholds, the ends of which lie outside."""


def weighted_sum(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """float64 scalar: the sum of ``values * weights``."""
    return tf.reduce_sum(tf.cast(values, tf.float64) * tf.cast(weights, tf.float64))


ratio: Final = tf.math.divide_no_nan
"""``numerator / denominator``, 0 if there is nothing to divide by."""


def check_thresholds(thresholds: Sequence[float] | None) -> tuple[float, ...]:
    """The ``thresholds`` argument of a head.

    Raises:
        ArgumentError: one is not inside of (0, 1).
    """
    found = tuple(thresholds or ())
    if not all(0 < threshold < 1 for threshold in found):
        raise ArgumentError(f"thresholds: expected numbers in (0, 1), got {thresholds!r}.")
    return found


def decision_sums(
    decisions: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, prefix: str
) -> dict[str, tf.Tensor]:
    """The sums behind ``decision_metrics``, for bool ``decisions`` of the labels' shape."""
    right = tf.equal(tf.cast(decisions, tf.float32), tf.cast(labels, tf.float32))
    positive = tf.cast(labels, tf.float32) > 0
    return {
        f"{prefix}hits": weighted_sum(right, weights),
        f"{prefix}decided": weighted_sum(decisions, weights),
        f"{prefix}found": weighted_sum(decisions & positive, weights),
        f"{prefix}positives": weighted_sum(positive, weights),
        f"{prefix}all": weighted_sum(tf.ones_like(right, tf.float64), weights),
    }


def decision_metrics(sums: Mapping[str, tf.Tensor], prefix: str) -> dict[str, tf.Tensor]:
    """``accuracy``, ``precision`` and ``recall``; a label between 0 and 1 is never hit."""
    return {
        "accuracy": ratio(sums[f"{prefix}hits"], sums[f"{prefix}all"]),
        "precision": ratio(sums[f"{prefix}found"], sums[f"{prefix}decided"]),
        "recall": ratio(sums[f"{prefix}found"], sums[f"{prefix}positives"]),
    }


def threshold_sums(
    thresholds: Sequence[float], scores: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor
) -> dict[str, tf.Tensor]:
    """The sums behind ``threshold_metrics``."""
    sums: dict[str, tf.Tensor] = {}
    for threshold in thresholds:
        sums |= decision_sums(scores > threshold, labels, weights, f"{threshold:g}/")
    return sums


def threshold_metrics(
    thresholds: Sequence[float], sums: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """``accuracy/positive_threshold_0.5``, and precision and recall, at each threshold."""
    return {
        f"{name}/positive_threshold_{threshold:g}": value
        for threshold in thresholds
        for name, value in decision_metrics(sums, f"{threshold:g}/").items()
    }


def curve_sums(
    scores: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, prefix: str = ""
) -> dict[str, tf.Tensor]:
    """float64 [200]: what lies between two thresholds, a score that equals one in the lower."""
    buckets = tf.nn.relu(tf.math.ceil(tf.reshape(scores, [-1]) * _BUCKETS) - 1)
    spread = tf.cast(tf.broadcast_to(weights, tf.shape(scores)), tf.float64)
    positive = tf.cast(tf.cast(labels, tf.float32) > 0, tf.float64)

    def by_bucket(values: tf.Tensor) -> tf.Tensor:
        flat, index = tf.reshape(values, [-1]), tf.cast(buckets, tf.int32)
        return tf.math.unsorted_segment_sum(flat, index, _BUCKETS + 1)

    return {
        f"{prefix}curve_true": by_bucket(positive * spread),
        f"{prefix}curve_all": by_bucket(spread),
    }


def curve_metrics(sums: Mapping[str, tf.Tensor], prefix: str = "") -> dict[str, tf.Tensor]:
    """``auc`` and ``auc_precision_recall``."""
    true = _above(sums[f"{prefix}curve_true"])
    predicted = _above(sums[f"{prefix}curve_all"])
    return {"auc": _area(true, predicted), "auc_precision_recall": _area_pr(true, predicted)}


def _above(by_bucket: tf.Tensor) -> tf.Tensor:
    """Sums above each threshold."""
    return tf.cumsum(by_bucket, reverse=True)


def _area(true: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Area under the ROC curve by trapezoids."""
    false = predicted - true
    true_rate, false_rate = ratio(true, true[0]), ratio(false, false[0])
    heights = (true_rate[:-1] + true_rate[1:]) / 2
    return tf.reduce_sum((false_rate[:-1] - false_rate[1:]) * heights)


def _area_pr(true: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Area under the precision-recall curve; between two thresholds the true positives are linear
    in the predicted positives: Davis and Goadrich 2006."""
    d_true, d_predicted = true[:-1] - true[1:], predicted[:-1] - predicted[1:]
    slope = ratio(d_true, tf.maximum(d_predicted, 0))
    intercept = true[1:] - slope * predicted[1:]
    both = (predicted[:-1] > 0) & (predicted[1:] > 0)
    quotient = tf.where(both, ratio(predicted[:-1], predicted[1:]), 1)
    return ratio(tf.reduce_sum(slope * (d_true + intercept * tf.math.log(quotient))), true[0])
