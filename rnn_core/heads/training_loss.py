"""What training may minimize in place of the cross entropy that evaluation reports.

With y the distribution of the label over the K classes (a one where the label is, but for labels
between two classes), p = softmax(logits), e ``label_smoothing``, g ``focal_gamma`` and c the
weights of the classes, the loss of an example is

    sum(y * c) * sum(((1 - e) * y + e / K) * (1 - p)^g * -log p)

with both sums over the classes. e = 0, g = 0 and c = 1 make it the cross entropy.

Label smoothing: Szegedy et al. 2016, Rethinking the Inception Architecture for Computer Vision,
section 7. Focal loss: Lin et al. 2017, Focal Loss for Dense Object Detection, section 3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, Final, TypeAlias

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.heads.labels import Vocabulary

ClassWeights: TypeAlias = Sequence[float] | Mapping[Any, float]
"""One for each class: in the order of the ids, or by the label, as the input has it."""

# (1 - p)^g has no finite slope at p = 1 where g < 1. Closer to 1 than this float32 cannot tell p
# from 1, and the example has next to no loss.
_LEAST_DISTANCE: Final = 1e-7


@dataclasses.dataclass(frozen=True)
class TrainingLoss:
    """The loss above for the settings of a head."""

    label_smoothing: float
    focal_gamma: float
    class_weights: tuple[float, ...] | None

    def __call__(self, targets: tf.Tensor, logits: tf.Tensor, plain: tf.Tensor) -> tf.Tensor:
        """float32 [B, 1]: the loss of each example.

        Args:
            targets: float32 [B, K], the distribution of each label.
            logits: float32 [B, K].
            plain: float32 [B, 1], the loss without smoothing and focus.
        """
        losses = plain
        if self.label_smoothing or self.focal_gamma:
            smoothing, log_p = self.label_smoothing, tf.nn.log_softmax(logits)
            terms = -log_p * ((1 - smoothing) * targets + smoothing / logits.shape[1])
            if self.focal_gamma:
                distance = tf.maximum(1 - tf.exp(log_p), _LEAST_DISTANCE)
                terms *= tf.pow(distance, self.focal_gamma)
            losses = tf.reduce_sum(terms, 1, keepdims=True)
        if self.class_weights is None:
            return losses
        return losses * tf.reduce_sum(targets * self.class_weights, 1, keepdims=True)


def training_loss(
    label_smoothing: float,
    class_weights: ClassWeights | None,
    focal_gamma: float,
    classes: int,
    vocabulary: Vocabulary | None,
    loss_fn: Callable[..., tf.Tensor] | None,
) -> TrainingLoss | None:
    """The loss of the arguments of a head; None if it is the loss that evaluation reports.

    Raises:
        ArgumentError: one of them is not legal, or is given beside ``loss_fn``.
    """
    smoothing = _number("label_smoothing", label_smoothing, "a number in [0, 1)", 0, 1)
    gamma = _number("focal_gamma", focal_gamma, "a number that is 0 or more", 0, math.inf)
    if loss_fn is not None and (smoothing or gamma):
        raise ArgumentError(
            "loss_fn: expected neither label_smoothing nor focal_gamma beside it, got "
            f"label_smoothing={label_smoothing!r} and focal_gamma={focal_gamma!r}; loss_fn "
            "computes the whole loss, so smooth and focus in it."
        )
    weights = None
    if class_weights is not None:
        weights = _in_order(class_weights, classes, vocabulary)
    if not smoothing and not gamma and weights is None:
        return None
    return TrainingLoss(smoothing, gamma, weights)


def _number(name: str, given: Any, expected: str, least: float, below: float) -> float:
    # NaN is in no range.
    is_number = not isinstance(given, bool) and isinstance(given, Real)
    if is_number and least <= float(given) < below:
        return float(given)
    raise ArgumentError(f"{name}: expected {expected}, got {given!r}.")


def _in_order(given: Any, classes: int, vocabulary: Vocabulary | None) -> tuple[float, ...]:
    """The weights in the order of the ids of the classes."""
    labels: list[Any] = list(range(classes)) if vocabulary is None else vocabulary.words
    if isinstance(given, Mapping):
        by_label = {_text(label): weight for label, weight in given.items()}
        if by_label.keys() != set(labels):
            missing = [label for label in labels if label not in by_label]
            unknown = [label for label in by_label if label not in labels]
            raise ArgumentError(
                f"class_weights: expected a weight for each of the {classes} classes by "
                f"{'its id' if vocabulary is None else 'its label in label_vocabulary'}; missing: "
                f"{missing}, unknown: {unknown}."
            )
        given = [by_label[label] for label in labels]
    if isinstance(given, str) or len(given) != classes:
        raise ArgumentError(
            f"class_weights: expected {classes} numbers, one for each class, got {given!r}."
        )
    # Not 0: rows that teach nothing are filtered out of the input, where their number is seen.
    return tuple(
        _number("class_weights", weight, "positive numbers", math.ulp(0.0), math.inf)
        for weight in given
    )


def _text(label: Any) -> Any:
    return tf.compat.as_str(label) if isinstance(label, bytes) else label
