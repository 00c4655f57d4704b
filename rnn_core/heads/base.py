"""What every head has, and what heads share: labels, weights and the reduction of losses.

Metrics are sums: a head turns a batch into a dict of sums, sums of batches are added, and the head
turns the total into metrics. So an evaluation may be cut into parts in any way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import tensorflow as tf

from rnn_core.checks import checked
from rnn_core.column_state import get_feature, sparse_if_ragged
from rnn_core.errors import ArgumentError, LabelError
from rnn_core.types import Array, Features, Predictions

SUM_OVER_BATCH_SIZE: Final = "sum_over_batch_size"
SUM: Final = "sum"
_REDUCTIONS: Final = (SUM_OVER_BATCH_SIZE, SUM)


class Losses(NamedTuple):
    """The losses of a batch."""

    per_example: tf.Tensor
    """float32 [B, 1], without weights."""
    weights: tf.Tensor
    """float32 [B, 1]."""
    labels: tf.Tensor
    """[B, 1], as the head reads them."""
    reduced: tf.Tensor
    """float32 scalar: what training minimizes."""


class Head(Protocol):
    """Logits to loss, predictions and metrics."""

    @property
    def logits_dimension(self) -> int:
        """L."""

    def losses(self, features: Features, labels: Any, logits: tf.Tensor) -> Losses:
        """The losses of a batch. Raises LabelError, or an assertion while running."""

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """All predictions of a batch."""

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch."""

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, float]:
        """Metrics of everything that was summed."""


class Vocabulary:
    """Label strings, in the order of their class ids; looked up on both sides."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = [str(word) for word in words]
        self.table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(self._words), tf.range(len(self._words), dtype=tf.int64)
            ),
            default_value=-1,
        )

    def ids(self, labels: tf.Tensor) -> tf.Tensor:
        """int64 ids of string labels.

        Raises:
            LabelError: the labels are not strings.
            tf.errors.InvalidArgumentError: a label is not in the vocabulary (while running).
        """
        if labels.dtype != tf.string:
            raise LabelError(
                f"label_vocabulary is given: expected labels of type string, got "
                f"{labels.dtype.name}. Give strings, or drop label_vocabulary."
            )
        ids = self.table.lookup(labels)
        unknown = tf.boolean_mask(labels, ids < 0)
        return checked(
            ids,
            tf.equal(tf.size(unknown), 0),
            LabelError,
            "Labels that are not in label_vocabulary",
            unknown[:5],
        )

    @property
    def words(self) -> tf.Tensor:
        """string [K]."""
        return tf.constant(self._words)


def column_of_labels(labels: Any, logits: tf.Tensor) -> tf.Tensor:
    """Labels [B] or [B, 1] as [B, 1].

    Raises:
        LabelError: there are none, or they have another rank or width.
    """
    if labels is None:
        raise LabelError("Expected labels, got None: input_fn must return (features, labels).")
    if isinstance(labels, Mapping):
        raise LabelError("Expected one tensor of labels [B] or [B, 1], got a dict of them.")
    if isinstance(labels, tf.RaggedTensor):
        raise LabelError("Expected one label a sequence [B] or [B, 1], got a ragged tensor.")
    dense = tf.sparse.to_dense(labels) if isinstance(labels, tf.SparseTensor) else labels
    return _as_column(tf.convert_to_tensor(dense), "Labels", logits)


def column_of_weights(features: Features, weight_column: Any, logits: tf.Tensor) -> tf.Tensor:
    """float32 [B, 1]: the weight of each example, 1 without a weight column.

    ``weight_column`` is a feature's name, or a numeric column whose normalizer is applied.

    Raises:
        MissingFeatureError: the weight is not in the features.
        LabelError: it has another shape than [B] or [B, 1].
    """
    if weight_column is None:
        return tf.ones([tf.shape(logits)[0], 1])
    key = weight_column if isinstance(weight_column, str) else weight_column.key
    weights = sparse_if_ragged(get_feature(features, key))
    if isinstance(weights, tf.SparseTensor):
        weights = tf.sparse.to_dense(weights)
    normalizer = getattr(weight_column, "normalizer_fn", None)
    if normalizer is not None:
        weights = normalizer(weights)
    column = tf.cast(_as_column(weights, f"Weights {key!r}", logits), tf.float32)
    return checked(
        column,
        tf.reduce_all(column >= 0),
        LabelError,
        f"Weights {key!r} that are negative",
        column[:5],
    )


def _as_column(values: tf.Tensor, what: str, logits: tf.Tensor) -> tf.Tensor:
    rank = values.shape.rank
    if rank == 1:
        values = values[:, tf.newaxis]
    elif rank is not None and (rank != 2 or values.shape[1] not in (1, None)):
        raise LabelError(f"{what}: expected the shape [B] or [B, 1], got {values.shape}.")
    rows, expected = values.shape[0], logits.shape[0]
    if None not in (rank, rows, expected) and rows != expected:
        raise LabelError(
            f"{what}: expected one for each row of the features, {expected}: got {rows}."
        )
    sizes = tf.stack([tf.shape(values)[0], tf.shape(logits)[0]])
    return checked(
        tf.reshape(values, [-1, 1]),
        tf.equal(tf.size(values), tf.shape(logits)[0]),
        LabelError,
        f"{what}: expected one for each row of the features, got (rows, rows of features)",
        sizes,
    )


def check_reduction(loss_reduction: Any) -> str:
    """The reduction's name in lower case.

    Raises:
        ArgumentError: it is not ``sum_over_batch_size`` or ``sum``.
    """
    name = str(getattr(loss_reduction, "value", loss_reduction)).lower()
    if name not in _REDUCTIONS:
        raise ArgumentError(
            f"loss_reduction: expected one of {', '.join(_REDUCTIONS)}, got {loss_reduction!r}."
        )
    return name


def reduce_losses(per_example: tf.Tensor, weights: tf.Tensor, reduction: str) -> tf.Tensor:
    """Weighted sum, divided by the number of examples (not by the weights) unless SUM."""
    total = tf.reduce_sum(per_example * weights)
    if reduction == SUM:
        return total
    return tf.math.divide_no_nan(total, tf.cast(tf.size(per_example), tf.float32))


def weighted_sum(values: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """float64 scalar: the sum of ``values * weights``."""
    return tf.reduce_sum(tf.cast(values, tf.float64) * tf.cast(weights, tf.float64))


def loss_sums(losses: Losses) -> dict[str, tf.Tensor]:
    """The sums behind ``loss`` and ``average_loss``."""
    return {
        "batches": tf.constant(1.0, tf.float64),
        "batch_losses": tf.cast(losses.reduced, tf.float64),
        "weights": tf.reduce_sum(tf.cast(losses.weights, tf.float64)),
        "losses": weighted_sum(losses.per_example, losses.weights),
    }


def loss_metrics(sums: Mapping[str, Array]) -> dict[str, float]:
    """``loss``, the mean over batches, and ``average_loss``, the weighted mean over examples."""
    return {
        "average_loss": ratio(sums["losses"], sums["weights"]),
        "loss": ratio(sums["batch_losses"], sums["batches"]),
    }


def ratio(numerator: Any, denominator: Any) -> float:
    """``numerator / denominator``, 0 if there is nothing to divide by."""
    return float(numerator) / float(denominator) if float(denominator) else 0.0


def class_predictions(
    class_ids: tf.Tensor, classes: int, vocabulary: Vocabulary | None
) -> Predictions:
    """``class_ids`` [B, 1] with their names, and ids and names of all classes [B, K]."""
    ids = tf.range(classes)
    words = tf.strings.as_string(ids) if vocabulary is None else vocabulary.words
    batch = tf.shape(class_ids)[0]
    return {
        "class_ids": class_ids,
        "classes": tf.gather(words, class_ids),
        "all_class_ids": tf.repeat(ids[tf.newaxis], batch, axis=0),
        "all_classes": tf.repeat(words[tf.newaxis], batch, axis=0),
    }
