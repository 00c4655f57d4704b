"""The interface of a head, and the base class of those of single examples.

Metrics are computed from sums: a head computes a dict of sums for each batch, the sums of batches
are added, and the head computes the metrics from the total. So an evaluation may be cut into parts
in any way. All of it is made of TensorFlow's operations, so that an exported graph can do the same.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import tensorflow as tf

from rnn_core import callables
from rnn_core.errors import ArgumentError
from rnn_core.heads import weights
from rnn_core.heads.confusion import class_sums, macro_f1, ratio, weighted_sum
from rnn_core.heads.export_outputs import ExportOutput
from rnn_core.heads.training_loss import TrainingLoss
from rnn_core.types import FeatureColumn, Features, Labels, Predictions

SUM_OVER_BATCH_SIZE: Final = "sum_over_batch_size"
SUM: Final = "sum"
_REDUCTIONS: Final = {
    SUM_OVER_BATCH_SIZE: SUM_OVER_BATCH_SIZE,
    SUM: SUM,
    "auto": SUM_OVER_BATCH_SIZE,
}


class Losses(NamedTuple):
    """The losses of a batch; W is 1, but for a regression the number of its labels."""

    per_example: tf.Tensor
    """float32 [B, W], without weights."""
    weights: tf.Tensor
    """float32 [B, W]."""
    labels: tf.Tensor
    """[B, 1], [B, K] or [B, W], as the head reads them."""
    reduced: tf.Tensor
    """float32 scalar, which evaluation reports, and which training minimizes unless ..."""
    parts: dict[str, Losses] | None = None
    """Of a head that is made of several, the losses of each by its name."""
    training: tf.Tensor | None = None
    """... the head has another loss for training, this float32 scalar."""

    @property
    def minimized(self) -> tf.Tensor:
        """float32 scalar, which training minimizes."""
        return self.reduced if self.training is None else self.training


class Head(Protocol):
    """Logits to loss, predictions and metrics."""

    @property
    def logits_dimension(self) -> int:
        """L: the number of logits of an example."""

    def losses(self, features: Features, labels: Labels, logits: tf.Tensor) -> Losses:
        """The losses of a batch. Raises LabelError, or an assertion while running."""

    def predictions(self, logits: tf.Tensor) -> Predictions:
        """All predictions of a batch."""

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The outputs of each signature of an exported model, by the signature's name."""

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch."""

    def metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Metrics of all batches whose sums were added, float64 scalars."""


class BaseHead(abc.ABC):
    """What heads share: weights, the reduction, a loss function of the user, and the name.

    Args:
        logits_dimension: L.
        weight_column: name of a feature, or a numeric column, that weighs examples; None: all 1.
        loss_reduction: ``sum_over_batch_size`` (also ``auto``) or ``sum``.
        loss_fn: takes ``labels``, ``logits`` and optionally ``features``; returns float32 [B, W]
            in place of the loss of the head.
        name: appended to the names of the metrics, as in ``accuracy/name``.

    Raises:
        ArgumentError: one of them is not legal.
    """

    loss_width = 1
    """W: the number of losses of an example."""
    weight_widths: tuple[int, ...] = (1,)
    """The numbers of weights that an example may have."""

    def __init__(
        self,
        logits_dimension: int,
        weight_column: str | FeatureColumn | None,
        loss_reduction: str | enum.Enum,
        loss_fn: Callable[..., tf.Tensor] | None,
        name: str | None,
    ) -> None:
        self.logits_dimension = logits_dimension
        self.loss_reduction = check_reduction(loss_reduction)
        self.name = name
        self._weight_column = weights.check_weight_column(weight_column)
        self._loss_fn = None if loss_fn is None else check_loss_fn(loss_fn)
        self._training_loss: TrainingLoss | None = None
        self._macro_f1 = False

    def losses(self, features: Features, labels: Labels, logits: tf.Tensor) -> Losses:
        """The losses of a batch with logits [B, L].

        Raises:
            LabelError: labels or weights cannot be used.
            MissingFeatureError: the weight is not in the features.
        """
        read = self.read_labels(labels, logits)
        per_example = self._per_example(read, logits, features)
        each = weights.weights(features, self._weight_column, logits, self.weight_widths)
        # One weight per label, so that sums of weights count labels as sums of losses do.
        each = tf.broadcast_to(each, tf.shape(per_example))
        reduced = reduce_losses(per_example, each, self.loss_reduction)
        training = None
        if self._training_loss is not None:
            trained = self._training_loss(*self.distributions(read, logits), per_example)
            training = reduce_losses(trained, each, self.loss_reduction)
        return Losses(per_example, each, read, reduced, training=training)

    def distributions(self, labels: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Of labels as they were read and logits: float32 [B, K], for a loss of training.

        The distribution of each label over the classes, and logits whose softmax is the predicted
        one.
        """
        raise NotImplementedError

    def _per_example(self, labels: tf.Tensor, logits: tf.Tensor, features: Features) -> tf.Tensor:
        if self._loss_fn is None:
            return self.loss(labels, logits)
        offered = {"labels": labels, "logits": logits, "features": features}
        values = tf.convert_to_tensor(callables.call(self._loss_fn, offered))
        if not values.shape.is_compatible_with([logits.shape[0], self.loss_width]):
            raise ArgumentError(
                f"loss_fn: expected a loss for each example, [B, {self.loss_width}] with B = "
                f"{logits.shape[0]}, got the shape {values.shape}; do not reduce it."
            )
        return tf.ensure_shape(tf.cast(values, tf.float32), [None, self.loss_width])

    def sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums over the batch."""
        # float64: single precision would lose digits over the examples of a long evaluation.
        return {
            "batches": tf.constant(1.0, tf.float64),
            "batch_losses": tf.cast(losses.reduced, tf.float64),
            "weights": tf.reduce_sum(tf.cast(losses.weights, tf.float64)),
            "losses": weighted_sum(losses.per_example, losses.weights),
            **self.own_sums(losses, logits),
            **(
                class_sums(*self.distributions(losses.labels, logits), losses.weights)
                if self._macro_f1
                else {}
            ),
        }

    def metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """float64 scalars: the metrics of the head with ``average_loss``, the weighted mean over
        examples, and ``loss``, the mean over batches, which never bears the head's name."""
        # average_loss = sum(w * loss) / sum(w) over all examples. As in 2.15, loss is the mean over
        # batches of what training minimizes; all batches count the same, whatever their sizes.
        average = ratio(sums["losses"], sums["weights"])
        named = {"average_loss": average, **self.own_metrics(sums)}
        if self._macro_f1:
            named["macro_f1"] = macro_f1(sums)
        suffix = f"/{self.name}" if self.name else ""
        return {
            **{f"{key}{suffix}": value for key, value in named.items()},
            "loss": ratio(sums["batch_losses"], sums["batches"]),
        }

    @abc.abstractmethod
    def read_labels(self, labels: Labels, logits: tf.Tensor) -> tf.Tensor:
        """Labels as the loss takes them."""

    @abc.abstractmethod
    def loss(self, labels: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
        """float32 [B, W]: the loss of each example, without weights."""

    @abc.abstractmethod
    def predictions(self, logits: tf.Tensor) -> Predictions:
        """All predictions of a batch."""

    @abc.abstractmethod
    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The outputs of each signature, by its name."""

    @abc.abstractmethod
    def own_sums(self, losses: Losses, logits: tf.Tensor) -> dict[str, tf.Tensor]:
        """float64 sums behind ``own_metrics``."""

    @abc.abstractmethod
    def own_metrics(self, sums: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """float64 scalars: metrics besides the losses, without the head's name."""


def check_reduction(loss_reduction: str | enum.Enum) -> str:
    """The reduction's name in lower case; ``auto`` is ``sum_over_batch_size``.

    Raises:
        ArgumentError: it is another, such as ``none``.
    """
    name = str(getattr(loss_reduction, "value", loss_reduction)).lower()
    if name not in _REDUCTIONS:
        raise ArgumentError(
            f"loss_reduction: expected one of {', '.join(_REDUCTIONS)}, got {loss_reduction!r}."
        )
    return _REDUCTIONS[name]


def check_loss_fn(loss_fn: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """The ``loss_fn`` argument.

    Raises:
        ArgumentError: it does not take ``labels`` and ``logits``, or needs what it is not given.
    """
    callables.check("loss_fn", loss_fn, ("labels", "logits", "features"), ("labels", "logits"))
    return loss_fn


def reduce_losses(per_example: tf.Tensor, weights: tf.Tensor, reduction: str) -> tf.Tensor:
    """float32 scalar: sum(w * loss), divided by the number of losses unless ``SUM``."""
    # sum_over_batch_size of 2.15 divides by the number of losses, not by the sum of the weights:
    # an example of weight 0 still makes the loss of its batch smaller.
    total = tf.reduce_sum(per_example * weights)
    if reduction == SUM:
        return total
    return tf.math.divide_no_nan(total, tf.cast(tf.size(per_example), tf.float32))
