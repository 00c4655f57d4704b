"""More than two classes: one logit each, softmax cross entropy."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from rnn_core.checks import check_count
from rnn_core.heads import base, classes, confusion
from rnn_core.heads import labels as label_input
from rnn_core.heads.base import BaseHead, Losses
from rnn_core.heads.export_outputs import ExportOutput
from rnn_core.heads.training_loss import ClassWeights, training_loss
from rnn_core.types import FeatureColumn, Labels, Predictions


class MultiClassHead(BaseHead):
    """K > 2 classes, labels int in [0, K) or strings of ``label_vocabulary``.

    Args:
        n_classes: K.
        weight_column: name of a feature, or a numeric column, that weighs examples.
        label_vocabulary: K strings, if labels are strings.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``) or ``sum``.
        loss_fn: of ``labels`` [B, 1] (ids) and ``logits`` [B, K], and optionally ``features``,
            to [B, 1].
        name: appended to the names of the metrics, as in ``accuracy/name``.
        label_smoothing: e in [0, 1): training takes each label for (1 - e) of its class and e / K
            of every class, so that the network does not grow ever more certain.
        class_weights: K positive numbers in the order of the ids, or a mapping from each label to
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
        n_classes: int,
        weight_column: str | FeatureColumn | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., tf.Tensor] | None = None,
        name: str | None = None,
        label_smoothing: float = 0.0,
        class_weights: ClassWeights | None = None,
        focal_gamma: float = 0.0,
        macro_f1: bool = False,
    ) -> None:
        count = check_count(n_classes, 3, "n_classes of MultiClassHead")
        super().__init__(count, weight_column, loss_reduction, loss_fn, name)
        self._vocabulary = label_input.vocabulary(label_vocabulary, count)
        self._training_loss = training_loss(
            label_smoothing, class_weights, focal_gamma, count, self._vocabulary, loss_fn
        )
        self._macro_f1 = macro_f1

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """Ids [B, 1], of the labels' own type of integer."""
        column = label_input.dense(labels, logits)
        return label_input.class_ids(column, self.logits_dimension, self._vocabulary)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Softmax cross entropy: -log p_y with p = softmax(logits)."""
        # Of the logits and not of p: log softmax is computed in one go, without an underflow of p.
        ids = tf.cast(labels[:, 0], tf.int64)
        return tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)[:, tf.newaxis]

    def distributions(self, labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """float32 [B, K]: a one at the class of each label; and the logits."""
        return tf.one_hot(labels[:, 0], self.logits_dimension), logits

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``logits`` and ``probabilities`` [B, K], and the classes."""
        class_ids = tf.argmax(logits, axis=1)[:, tf.newaxis]
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            **classes.class_predictions(class_ids, self.logits_dimension, self._vocabulary),
        }

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The signatures ``serving_default``, ``classification`` and ``predict``."""
        return classes.classifier_outputs(predictions, predictions["all_classes"])

    def own_sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """``correct``, a float64 scalar: the weights of the examples whose class is predicted."""
        # Of equal logits the lowest class wins, here as in ``class_ids`` of the predictions.
        predicted = tf.argmax(logits, axis=1)[:, tf.newaxis]
        correct = tf.equal(predicted, tf.cast(losses.labels, tf.int64))
        return {"correct": confusion.weighted_sum(correct, losses.weights)}

    def own_metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """``accuracy``."""
        return {"accuracy": confusion.ratio(sums["correct"], sums["weights"])}
