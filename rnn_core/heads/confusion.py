"""Metrics of scores in [0, 1] against labels: at one threshold, and along the two curves.

All are computed from sums over a batch, so that an evaluation may be cut into parts in any way.
Each example counts by its weight. As in TensorFlow 2.15, a label above 0 counts as positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import tensorflow as tf

from rnn_core.errors import ArgumentError

_LAST_BUCKET: Final = 199
"""``tf.keras.metrics.AUC`` of 2.15 samples both curves at 200 thresholds: k / 199, where the first
is moved to just below 0 and the last to just above 1. So at the first everything is predicted
positive, also a score of 0, and at the last nothing is."""


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
    """The sums behind ``decision_metrics``, float64 scalars.

    Args:
        decisions: bool, of the labels' shape: whether the class is predicted.
        labels: 0, 1 or between.
        weights: one per label, or one per row.
        prefix: put before the names of the sums.
    """
    correct = tf.equal(tf.cast(decisions, tf.float32), tf.cast(labels, tf.float32))
    positive = tf.cast(labels, tf.float32) > 0
    return {
        f"{prefix}correct": weighted_sum(correct, weights),
        f"{prefix}predicted": weighted_sum(decisions, weights),
        f"{prefix}true_positives": weighted_sum(decisions & positive, weights),
        f"{prefix}support": weighted_sum(positive, weights),
        f"{prefix}all": weighted_sum(tf.ones_like(correct, tf.float64), weights),
    }


def decision_metrics(sums: Mapping[str, tf.Tensor], prefix: str) -> dict[str, tf.Tensor]:
    """``accuracy``, ``precision`` and ``recall``, float64 scalars."""
    # A decision is 0 or 1, so that for accuracy a label between the two is never correct, while for
    # precision and recall it is positive: both as in 2.15.
    true_positives = sums[f"{prefix}true_positives"]
    return {
        "accuracy": ratio(sums[f"{prefix}correct"], sums[f"{prefix}all"]),
        "precision": ratio(true_positives, sums[f"{prefix}predicted"]),
        "recall": ratio(true_positives, sums[f"{prefix}support"]),
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


def class_sums(labels: tf.Tensor, logits: tf.Tensor, weights: tf.Tensor) -> dict[str, tf.Tensor]:
    """The sums behind ``macro_f1``, float64 [K].

    Args:
        labels: float32 [B, K]: the distribution of each label over the classes.
        logits: float32 [B, K]; of equal ones the lowest class is predicted.
        weights: float32 [B, 1].
    """
    labels, weights = tf.cast(labels, tf.float64), tf.cast(weights, tf.float64)
    predicted = tf.one_hot(tf.argmax(logits, axis=1), tf.shape(logits)[1], dtype=tf.float64)
    return {
        "class_true_positives": tf.reduce_sum(weights * labels * predicted, 0),
        "class_support": tf.reduce_sum(weights * labels, 0),
        "class_predicted": tf.reduce_sum(weights * predicted, 0),
    }


def macro_f1(sums: Mapping[str, tf.Tensor]) -> tf.Tensor:
    """float64 scalar: the mean of 2 TP / (support + predicted) over the classes.

    A class that is neither a label nor predicted does not count.
    """
    occurrences = sums["class_support"] + sums["class_predicted"]
    known = tf.math.count_nonzero(occurrences, dtype=tf.float64)
    return ratio(tf.reduce_sum(ratio(2 * sums["class_true_positives"], occurrences)), known)


def curve_sums(
    scores: tf.Tensor, labels: tf.Tensor, weights: tf.Tensor, prefix: str = ""
) -> dict[str, tf.Tensor]:
    """float64 [200] each: the weights of the positives, and of all, by their scores.

    Bucket k holds what is predicted positive at threshold k, but not at threshold k + 1.
    """
    # A score is predicted positive if it is more than the threshold k / 199, so that one which
    # equals it belongs to the bucket below; a score of 0 belongs to the first (see _LAST_BUCKET).
    buckets = tf.nn.relu(tf.math.ceil(tf.reshape(scores, [-1]) * _LAST_BUCKET) - 1)
    spread = tf.cast(tf.broadcast_to(weights, tf.shape(scores)), tf.float64)
    positive = tf.cast(tf.cast(labels, tf.float32) > 0, tf.float64)

    def by_bucket(values: tf.Tensor) -> tf.Tensor:
        flat, index = tf.reshape(values, [-1]), tf.cast(buckets, tf.int32)
        return tf.math.unsorted_segment_sum(flat, index, _LAST_BUCKET + 1)

    return {
        f"{prefix}curve_true": by_bucket(positive * spread),
        f"{prefix}curve_all": by_bucket(spread),
    }


def curve_metrics(sums: Mapping[str, tf.Tensor], prefix: str = "") -> dict[str, tf.Tensor]:
    """``auc`` and ``auc_precision_recall``, float64 scalars."""
    # At each threshold the true positives, and all that are predicted positive: what is in its
    # bucket and in those above.
    true = tf.cumsum(sums[f"{prefix}curve_true"], reverse=True)
    predicted = tf.cumsum(sums[f"{prefix}curve_all"], reverse=True)
    return {"auc": _area_roc(true, predicted), "auc_precision_recall": _area_pr(true, predicted)}


def _area_roc(true: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Area under the ROC curve, the true positive rate over the false positive rate."""
    # By trapezoids. At the first threshold all are predicted positive: true[0] and false[0] are the
    # numbers of positives and negatives.
    false = predicted - true
    true_rate, false_rate = ratio(true, true[0]), ratio(false, false[0])
    heights = (true_rate[:-1] + true_rate[1:]) / 2
    return tf.reduce_sum((false_rate[:-1] - false_rate[1:]) * heights)


def _area_pr(true: tf.Tensor, predicted: tf.Tensor) -> tf.Tensor:
    """Area under the precision-recall curve."""
    # Davis and Goadrich 2006: between two thresholds the precision is not linear in the recall, but
    # the true positives TP are in the predicted positives P. With TP = intercept + slope * P,
    #   integral of TP / P dTP = slope * (delta TP + intercept * log(P_lower / P_upper)),
    # in units of all positives. The integral has no logarithm where nothing is predicted any more.
    d_true, d_predicted = true[:-1] - true[1:], predicted[:-1] - predicted[1:]
    slope = ratio(d_true, tf.maximum(d_predicted, 0))
    intercept = true[1:] - slope * predicted[1:]
    both = (predicted[:-1] > 0) & (predicted[1:] > 0)
    quotient = tf.where(both, ratio(predicted[:-1], predicted[1:]), 1)
    return ratio(tf.reduce_sum(slope * (d_true + intercept * tf.math.log(quotient))), true[0])
