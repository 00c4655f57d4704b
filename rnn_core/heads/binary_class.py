"""Two classes: one logit, sigmoid cross entropy, labels also anywhere in [0, 1]."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from rnn_core.heads import base, classes, confusion
from rnn_core.heads import labels as label_input
from rnn_core.heads.base import BaseHead, Losses
from rnn_core.heads.export_outputs import REGRESSION, ExportOutput, RegressionOutput
from rnn_core.heads.training_loss import ClassWeights, training_loss
from rnn_core.types import FeatureColumn, Labels, Predictions


class BinaryClassHead(BaseHead):
    """Two classes, labels in [0, 1] or strings of ``label_vocabulary``.

    Args:
        weight_column: name of a feature, or a numeric column, that weighs examples.
        thresholds: numbers in (0, 1); accuracy, precision and recall are also given for each.
        label_vocabulary: two strings, if labels are strings.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``) or ``sum``.
        loss_fn: of ``labels`` and ``logits`` [B, 1], and optionally ``features``, to [B, 1].
        name: appended to the names of the metrics, as in ``accuracy/name``.
        label_smoothing: e in [0, 1): training takes each label for (1 - e) of its class and e / 2
            of every class, so that the network does not grow ever more certain.
        class_weights: 2 positive numbers in the order of the ids, or a mapping from each label to
            one: a factor for the losses of the examples of each class in training.
        focal_gamma: g >= 0: training multiplies the part of a class in the loss by (1 - p)^g, p its
            probability, so that examples that are easy count less.
        macro_f1: whether evaluation also reports ``macro_f1``: the mean over the classes of
            2 TP / (2 TP + FP + FN), in which a rare class counts as much as any other.

    The three before it change what training minimizes, and so the ``loss`` that it logs. Evaluation
    reports the cross entropy with the weights of ``weight_column`` whatever they are, so that
    models can be compared; ``heads.training_loss`` has the formula.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        weight_column: str | FeatureColumn | None = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., tf.Tensor] | None = None,
        name: str | None = None,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        focal_gamma: float = 0.0,
        macro_f1: bool = False,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, loss_fn, name)
        self._thresholds = confusion.check_thresholds(thresholds)
        self._vocabulary = label_input.vocabulary(label_vocabulary, 2)
        self._training_loss = training_loss(
            label_smoothing, class_weights, focal_gamma, 2, self._vocabulary, loss_fn
        )
        self._macro_f1 = macro_f1

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """float32 [B, 1]."""
        column = label_input.dense(labels, logits)
        if self._vocabulary is not None:
            return tf.cast(self._vocabulary.ids(column), tf.float32)
        return tf.cast(label_input.in_unit_interval(column), tf.float32)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Sigmoid cross entropy: -y log p - (1 - y) log(1 - p) with p = sigmoid(logit)."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)

    def distributions(self, labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """float32 [B, 2]: 1 - y and y of each label; and the logits of both classes."""
        return tf.concat([1 - labels, labels], 1), _two_logits(logits)

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``logits`` and ``logistic`` [B, 1], ``probabilities`` [B, 2], and the classes."""
        two_logits = _two_logits(logits)
        class_ids = tf.argmax(two_logits, axis=1)[:, tf.newaxis]
        return {
            "logits": logits,
            "logistic": tf.sigmoid(logits),
            "probabilities": tf.nn.softmax(two_logits),
            **classes.class_predictions(class_ids, 2, self._vocabulary),
        }

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The signatures of every classifier, and ``regression``: the logistic."""
        return {
            **classes.classifier_outputs(predictions, predictions["all_classes"]),
            REGRESSION: RegressionOutput(predictions["logistic"]),
        }

    def own_sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch; [200] for the curves."""
        scores, labels, weights = tf.sigmoid(logits), losses.labels, losses.weights
        return {
            "labels": confusion.weighted_sum(labels, weights),
            "scores": confusion.weighted_sum(scores, weights),
            # logit > 0 is p > 0.5; a logit of 0 is class 0, as in the argmax of (0, logit).
            **confusion.decision_sums(logits > 0, labels, weights, ""),
            **confusion.threshold_sums(self._thresholds, scores, labels, weights),
            **confusion.curve_sums(scores, labels, weights),
        }

    def own_metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The metrics of ``tf.estimator.BinaryClassHead``."""
        labels, weights = sums["labels"], sums["weights"]
        # accuracy_baseline: the accuracy of always predicting the more frequent class.
        return {
            "accuracy_baseline": confusion.ratio(tf.maximum(labels, weights - labels), weights),
            "label/mean": confusion.ratio(labels, weights),
            "prediction/mean": confusion.ratio(sums["scores"], weights),
            **confusion.decision_metrics(sums, ""),
            **confusion.threshold_metrics(self._thresholds, sums),
            **confusion.curve_metrics(sums),
        }


def _two_logits(logits: tf.Tensor) -> tf.Tensor:
    # The softmax of (0, logit) is (1 - sigmoid(logit), sigmoid(logit)).
    return tf.concat([tf.zeros_like(logits), logits], 1)
