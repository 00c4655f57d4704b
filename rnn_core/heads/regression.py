"""Numbers: one logit for each, squared error."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping

import tensorflow as tf

from rnn_core.checks import check_count
from rnn_core.errors import LabelError
from rnn_core.heads import base, confusion
from rnn_core.heads import labels as label_input
from rnn_core.heads.base import BaseHead, Losses
from rnn_core.heads.export_outputs import (
    PREDICT,
    REGRESSION,
    SERVING_DEFAULT,
    ExportOutput,
    PredictOutput,
    RegressionOutput,
)
from rnn_core.types import FeatureColumn, Labels, Predictions


class RegressionHead(BaseHead):
    """L numbers an example; a weight may belong to the example or to each number.

    Args:
        label_dimension: L.
        weight_column: name of a feature, or a numeric column, that weighs examples.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``; the batch has B * L losses) or
            ``sum``.
        loss_fn: of ``labels`` and ``logits`` [B, L], and optionally ``features``, to [B, L].
        inverse_link_fn: logits to predictions; the loss is of the logits all the same.
        name: appended to the names of the metrics, as in ``label/mean/name``.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        label_dimension: int = 1,
        weight_column: str | FeatureColumn | None = None,
        loss_reduction: str | enum.Enum = base.SUM_OVER_BATCH_SIZE,
        loss_fn: Callable[..., tf.Tensor] | None = None,
        inverse_link_fn: Callable[[tf.Tensor], tf.Tensor] | None = None,
        name: str | None = None,
    ) -> None:
        count = check_count(label_dimension, 1, "label_dimension")
        super().__init__(count, weight_column, loss_reduction, loss_fn, name)
        self.loss_width = count
        self.weight_widths = tuple(sorted({1, count}))
        self._inverse_link_fn = inverse_link_fn

    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """float32 [B, L].

        Raises:
            LabelError: they are not numbers, or of another shape.
        """
        columns = label_input.dense(labels, logits, self.logits_dimension)
        if not (columns.dtype.is_floating or columns.dtype.is_integer):
            raise LabelError(f"Expected labels that are numbers, got {columns.dtype.name}.")
        return tf.cast(columns, tf.float32)

    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """(logit - label)^2, without the factor 1/2."""
        return tf.math.squared_difference(logits, labels)

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """``predictions`` [B, L], and the ``logits`` if they are something else."""
        if self._inverse_link_fn is None:
            return {"predictions": logits}
        return {"predictions": self._inverse_link_fn(logits), "logits": logits}

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """``serving_default`` and ``regression``: the numbers; ``predict``: all."""
        regression = RegressionOutput(predictions["predictions"])
        return {
            SERVING_DEFAULT: regression,
            REGRESSION: regression,
            PREDICT: PredictOutput(predictions),
        }

    def own_sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """``labels`` and ``predictions``, float64 scalars: their weighted sums."""
        # Of the predictions, not of the logits: after the inverse link, as labels are.
        predicted = self.predictions(logits)["predictions"]
        return {
            "labels": confusion.weighted_sum(losses.labels, losses.weights),
            "predictions": confusion.weighted_sum(predicted, losses.weights),
        }

    def own_metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """``label/mean`` and ``prediction/mean``."""
        return {
            "label/mean": confusion.ratio(sums["labels"], sums["weights"]),
            "prediction/mean": confusion.ratio(sums["predictions"], sums["weights"]),
        }
