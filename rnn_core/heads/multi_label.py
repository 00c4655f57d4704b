"""Any number of the K classes per example: a logit for each class, sigmoid cross entropy."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from rnn_core.checks import check_count
from rnn_core.errors import ArgumentError, LabelError
from rnn_core.heads import base, classes, confusion
from rnn_core.heads import labels as label_input
from rnn_core.heads.base import BaseHead, Losses
from rnn_core.heads.export_outputs import ExportOutput
from rnn_core.types import FeatureColumn, Labels, Predictions


class MultiLabelHead(BaseHead):
    """K > 1 classes, any number of which an example may have.

    Labels are sparse or ragged [B, ?] with ids in [0, K) or strings of ``label_vocabulary``, or a
    dense indicator [B, K] with values in [0, 1].

    Args:
        n_classes: K.
        weight_column: name of a feature, or a numeric column, that weighs examples.
        thresholds: numbers in (0, 1); accuracy, precision and recall are given for each.
        label_vocabulary: K strings, if labels are strings.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``) or ``sum``.
        loss_fn: of ``labels`` and ``logits`` [B, K], and optionally ``features``, to [B, 1].
        classes_for_class_based_metrics: ids or strings of classes that get metrics of their own.
        name: appended to the names of the metrics, as in ``auc/name``.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        n_classes: int,
        weight_column: str | FeatureColumn | None = None,
        thresholds: Sequence[float] | None = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., tf.Tensor] | None = None,
        classes_for_class_based_metrics: Sequence[int | str] | None = None,
        name: str | None = None,
    ) -> None:
        count = check_count(n_classes, 2, "n_classes of MultiLabelHead")
        super().__init__(count, weight_column, loss_reduction, loss_fn, name)
        self._thresholds = confusion.check_thresholds(thresholds)
        self._vocabulary = label_input.vocabulary(label_vocabulary, count)
        watched = [self._class_id(one) for one in classes_for_class_based_metrics or ()]
        names = None if self._vocabulary is None else self._vocabulary.words
        self._watched = {index: names[index] if names else f"class{index}" for index in watched}

    def _class_id(self, one: int | str) -> int:
        words = [] if self._vocabulary is None else self._vocabulary.words
        if isinstance(one, str) and one in words:
            return words.index(one)
        if isinstance(one, int) and 0 <= one < self.logits_dimension:
            return one
        raise ArgumentError(
            "classes_for_class_based_metrics: expected strings of label_vocabulary or ids in "
            f"[0, {self.logits_dimension}), got {one!r}."
        )

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """[B, K]: 1 where an example has the class; int64, if labels are not dense."""
        if isinstance(labels, tf.RaggedTensor):
            labels = labels.to_sparse()
        if isinstance(labels, tf.SparseTensor):
            labels = self._indicator(labels)
        elif labels is not None and not isinstance(labels, Mapping):
            labels = label_input.in_unit_interval(tf.convert_to_tensor(labels))
        return label_input.dense(labels, logits, self.logits_dimension)

    def _indicator(self, labels: tf.SparseTensor) -> tf.Tensor:
        if labels.shape.rank != 2:
            raise LabelError(f"Expected sparse labels [B, ?], got the shape {labels.shape}.")
        ids = label_input.class_ids(labels.values, self.logits_dimension, self._vocabulary)
        positions = tf.stack([labels.indices[:, 0], tf.cast(ids, tf.int64)], 1)
        size = tf.stack([labels.dense_shape[0], self.logits_dimension])
        counts = tf.scatter_nd(positions, tf.ones_like(ids, tf.int64), tf.cast(size, tf.int64))
        # A class that a row names twice is still 1.
        return tf.ensure_shape(tf.minimum(counts, 1), [labels.shape[0], self.logits_dimension])

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """Sigmoid cross entropy of each class (see ``BinaryClassHead``), the mean over classes."""
        # The mean and not the sum, as in 2.15: the loss of an example does not grow with K.
        each = tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(labels, tf.float32), logits)
        return tf.reduce_mean(each, axis=1, keepdims=True)

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``logits``, ``probabilities`` and ``classes`` (the names of all) [B, K]."""
        return {
            "logits": logits,
            "probabilities": tf.sigmoid(logits),
            "classes": classes.class_names(logits, self.logits_dimension, self._vocabulary),
        }

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The signatures ``serving_default``, ``classification`` and ``predict``."""
        return classes.classifier_outputs(predictions, predictions["classes"])

    def own_sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch and its classes; [200] for the curves."""
        # The curves and thresholds of the head are over all B * K pairs of an example and a class,
        # each with the weight of its example (micro average); those of watched classes over B.
        scores, labels, weights = tf.sigmoid(logits), losses.labels, losses.weights
        sums = {
            **confusion.threshold_sums(self._thresholds, scores, labels, weights),
            **confusion.curve_sums(scores, labels, weights),
        }
        for index, name in self._watched.items():
            score, label = scores[:, index, tf.newaxis], labels[:, index, tf.newaxis]
            sums[f"{name}/scores"] = confusion.weighted_sum(score, weights)
            sums |= confusion.curve_sums(score, label, weights, f"{name}/")
        return sums

    def own_metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The metrics of ``tf.estimator.MultiLabelHead``."""
        metrics = {
            **confusion.curve_metrics(sums),
            **confusion.threshold_metrics(self._thresholds, sums),
        }
        for name in self._watched.values():
            mean = confusion.ratio(sums[f"{name}/scores"], sums["weights"])
            curves = confusion.curve_metrics(sums, f"{name}/")
            own = {"probability_mean": mean, **curves}
            metrics |= {f"{key}/{name}": value for key, value in own.items()}
        return metrics
