"""Two classes: one logit, sigmoid cross entropy, labels also anywhere in [0, 1]."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import tensorflow as tf

from rnn_core.checks import checked
from rnn_core.errors import ArgumentError, LabelError
from rnn_core.heads import base
from rnn_core.heads.base import Losses
from rnn_core.types import Array, Features, Predictions

_THRESHOLDS: Final = np.concatenate([[-1e-7], np.arange(1, 199) / 199.0, [1.0 + 1e-7]]).astype(
    np.float32
)
"""Where the two curves are sampled: 200 points, the ends just outside of [0, 1]."""


class BinaryClassHead:
    """Two classes, labels in [0, 1] or strings of ``label_vocabulary``."""

    def __init__(
        self,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: Any = base.SUM_OVER_BATCH_SIZE,
    ) -> None:
        if label_vocabulary is not None and len(label_vocabulary) != 2:
            raise ArgumentError(
                f"BinaryClassHead: expected 2 label strings, got {len(label_vocabulary)}."
            )
        self._weight_column = weight_column
        self._reduction = base.check_reduction(loss_reduction)
        self._vocabulary = None if label_vocabulary is None else base.Vocabulary(label_vocabulary)

    @property
    def logits_dimension(self) -> int:
        """1."""
        return 1

    def losses(self, features: Features, labels: Any, logits: tf.Tensor) -> Losses:
        """Cross entropy of labels [B] or [B, 1] with logits [B, 1]."""
        targets = self._targets(base.column_of_labels(labels, logits))
        weights = base.column_of_weights(features, self._weight_column, logits)
        per_example = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
        reduced = base.reduce_losses(per_example, weights, self._reduction)
        return Losses(per_example, weights, targets, reduced)

    def _targets(self, labels: tf.Tensor) -> tf.Tensor:
        if self._vocabulary is not None:
            return tf.cast(self._vocabulary.ids(labels), tf.float32)
        if labels.dtype == tf.string:
            raise LabelError(
                "Expected numeric labels in [0, 1], got string. Strings need label_vocabulary."
            )
        targets = tf.cast(labels, tf.float32)
        inside = (targets >= 0) & (targets <= 1)
        outside = tf.boolean_mask(targets, ~inside)
        return checked(
            targets, tf.reduce_all(inside), LabelError, "Labels outside of [0, 1]", outside[:5]
        )

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``logits`` and ``logistic`` [B, 1], ``probabilities`` [B, 2], and the classes."""
        two_logits = tf.concat([tf.zeros_like(logits), logits], 1)
        class_ids = tf.argmax(two_logits, axis=1)[:, tf.newaxis]
        return {
            "logits": logits,
            "logistic": tf.sigmoid(logits),
            "probabilities": tf.nn.softmax(two_logits),
            **base.class_predictions(class_ids, 2, self._vocabulary),
        }

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch; [200] for the curves."""
        scores, targets = tf.sigmoid(logits), losses.labels
        positive = tf.cast(targets > 0, tf.float64)
        weights = tf.cast(losses.weights, tf.float64)
        predicted = tf.cast(scores > 0.5, tf.float64)
        above = tf.cast(scores > _THRESHOLDS[np.newaxis], tf.float64) * weights
        return {
            **base.loss_sums(losses),
            "hits": base.weighted_sum(tf.equal(tf.cast(predicted, tf.float32), targets), weights),
            "labels": base.weighted_sum(targets, weights),
            "scores": base.weighted_sum(scores, weights),
            "true_positives": base.weighted_sum(predicted * positive, weights),
            "predicted_positives": base.weighted_sum(predicted, weights),
            "positives": base.weighted_sum(positive, weights),
            "true_above": tf.reduce_sum(above * positive, 0),
            "all_above": tf.reduce_sum(above, 0),
        }

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, float]:
        """The ten metrics of ``tf.estimator.BinaryClassHead``."""
        label_mean = base.ratio(sums["labels"], sums["weights"])
        return {
            "accuracy": base.ratio(sums["hits"], sums["weights"]),
            "accuracy_baseline": max(label_mean, 1 - label_mean),
            "auc": _auc(sums),
            "auc_precision_recall": _auc_precision_recall(sums),
            "label/mean": label_mean,
            "precision": base.ratio(sums["true_positives"], sums["predicted_positives"]),
            "prediction/mean": base.ratio(sums["scores"], sums["weights"]),
            "recall": base.ratio(sums["true_positives"], sums["positives"]),
            **base.loss_metrics(sums),
        }


def _divide(numerator: Array, denominator: Array) -> Array:
    safe = np.where(denominator == 0, 1, denominator)
    return np.where(denominator == 0, 0.0, numerator / safe)


def _auc(sums: Mapping[str, Array]) -> float:
    """Area under the ROC curve by trapezoids."""
    positives, weights = sums["positives"], sums["weights"]
    true_rate = _divide(sums["true_above"], positives)
    false_rate = _divide(sums["all_above"] - sums["true_above"], weights - positives)
    heights = (true_rate[:-1] + true_rate[1:]) / 2
    return float(np.sum((false_rate[:-1] - false_rate[1:]) * heights))


def _auc_precision_recall(sums: Mapping[str, Array]) -> float:
    """Area under the precision-recall curve; between two thresholds the true positives are linear
    in the predicted positives: Davis and Goadrich 2006."""
    true, predicted = sums["true_above"], sums["all_above"]
    d_true, d_predicted = true[:-1] - true[1:], predicted[:-1] - predicted[1:]
    slope = _divide(d_true, np.maximum(d_predicted, 0))
    intercept = true[1:] - slope * predicted[1:]
    both = (predicted[:-1] > 0) & (predicted[1:] > 0)
    quotient = np.where(both, _divide(predicted[:-1], predicted[1:]), 1.0)
    parts = slope * (d_true + intercept * np.log(quotient))
    return float(np.sum(_divide(parts, np.full_like(parts, float(sums["positives"])))))
