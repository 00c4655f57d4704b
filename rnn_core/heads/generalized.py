"""Numbers as generalized linear models have them: counts, and fractions in [0, 1]."""

from __future__ import annotations

import enum

import tensorflow as tf

from rnn_core.errors import LabelError
from rnn_core.graph.runtime_checks import checked
from rnn_core.heads import base
from rnn_core.heads import labels as label_input
from rnn_core.heads.regression import RegressionHead
from rnn_core.types import FeatureColumn, Labels


class PoissonRegressionHead(RegressionHead):
    """L counts an example, predicted as exp(logit); the loss is that of a Poisson distribution.

    Args:
        label_dimension: L.
        weight_column: name of a feature, or a numeric column, that weighs examples.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``; the batch has B * L losses) or
            ``sum``.
        compute_full_loss: whether the loss has the term log(label!), by Stirling's formula, which
            does not depend on the logits.
        name: appended to the names of the metrics, as in ``label/mean/name``.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: str | FeatureColumn | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        compute_full_loss: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(
            label_dimension, weight_column, loss_reduction, inverse_link_fn=tf.exp, name=name
        )
        self._compute_full_loss = bool(compute_full_loss)

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """float32 [B, L].

        Raises:
            LabelError: they are not numbers, negative, or of another shape.
        """
        counts = super().read_labels(labels, logits)
        wrong = tf.boolean_mask(counts, (counts < 0) | tf.math.is_nan(counts))
        message = (
            "Labels that are negative, or no numbers; PoissonRegressionHead takes counts. Found"
        )
        return checked(counts, tf.equal(tf.size(wrong), 0), LabelError, message, wrong[:5])

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """exp(logit) - label * logit, and log(label!) with ``compute_full_loss``."""
        return tf.nn.log_poisson_loss(labels, logits, self._compute_full_loss)


class LogisticRegressionHead(RegressionHead):
    """A fraction in [0, 1], predicted as sigmoid(logit); the loss is sigmoid cross entropy.

    It has the loss of ``BinaryClassHead``, but no classes, and so none of their metrics.

    Args:
        weight_column: name of a feature, or a numeric column, that weighs examples.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``) or ``sum``.
        name: appended to the names of the metrics, as in ``label/mean/name``.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        weight_column: str | FeatureColumn | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        name: str | None = None,
    ) -> None:
        super().__init__(1, weight_column, loss_reduction, inverse_link_fn=tf.sigmoid, name=name)

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """float32 [B, 1].

        Raises:
            LabelError: they are not numbers in [0, 1], or of another shape.
        """
        return label_input.in_unit_interval(super().read_labels(labels, logits))

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """-y log p - (1 - y) log(1 - p) with p = sigmoid(logit)."""
        return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits)
