"""More than two classes: one logit each, softmax cross entropy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from rnn_core.checks import checked
from rnn_core.errors import ArgumentError, LabelError
from rnn_core.heads import base
from rnn_core.heads.base import Losses
from rnn_core.types import Array, Features, Predictions


class MultiClassHead:
    """K > 2 classes, labels int in [0, K) or strings of ``label_vocabulary``."""

    def __init__(
        self,
        n_classes: int,
        weight_column: Any = None,
        label_vocabulary: Sequence[str] | None = None,
        loss_reduction: Any = base.SUM_OVER_BATCH_SIZE,
    ) -> None:
        if not isinstance(n_classes, int) or n_classes < 3:
            raise ArgumentError(f"MultiClassHead: expected n_classes > 2, got {n_classes!r}.")
        self._classes = n_classes
        self._weight_column = weight_column
        self._reduction = base.check_reduction(loss_reduction)
        self._vocabulary = None if label_vocabulary is None else base.Vocabulary(label_vocabulary)

    @property
    def logits_dimension(self) -> int:
        """K."""
        return self._classes

    def losses(self, features: Features, labels: Any, logits: tf.Tensor) -> Losses:
        """Cross entropy of labels [B] or [B, 1] with logits [B, K]."""
        ids = self._ids(base.column_of_labels(labels, logits))
        weights = base.column_of_weights(features, self._weight_column, logits)
        per_example = tf.nn.sparse_softmax_cross_entropy_with_logits(ids[:, 0], logits)
        per_example = per_example[:, tf.newaxis]
        reduced = base.reduce_losses(per_example, weights, self._reduction)
        return Losses(per_example, weights, ids, reduced)

    def _ids(self, labels: tf.Tensor) -> tf.Tensor:
        if self._vocabulary is not None:
            return self._vocabulary.ids(labels)
        if not labels.dtype.is_integer:
            raise LabelError(
                f"Expected integer labels in [0, {self._classes}), got {labels.dtype.name}. "
                "Strings need label_vocabulary."
            )
        ids = tf.cast(labels, tf.int64)
        outside = tf.boolean_mask(ids, (ids < 0) | (ids >= self._classes))
        message = f"Labels outside of [0, {self._classes})"
        return checked(ids, tf.equal(tf.size(outside), 0), LabelError, message, outside[:5])

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``logits`` and ``probabilities`` [B, K], and the classes."""
        class_ids = tf.argmax(logits, axis=1)[:, tf.newaxis]
        return {
            "logits": logits,
            "probabilities": tf.nn.softmax(logits),
            **base.class_predictions(class_ids, self._classes, self._vocabulary),
        }

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch."""
        hits = tf.equal(tf.argmax(logits, axis=1)[:, tf.newaxis], losses.labels)
        return {**base.loss_sums(losses), "hits": base.weighted_sum(hits, losses.weights)}

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, float]:
        """``accuracy``, ``average_loss`` and ``loss``."""
        accuracy = base.ratio(sums["hits"], sums["weights"])
        return {"accuracy": accuracy, **base.loss_metrics(sums)}
