"""What happens to gradients before an optimizer takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import tensorflow as tf

Gradient: TypeAlias = tf.Tensor | tf.IndexedSlices
"""Of the variable's shape, or of those of its rows that were looked up."""
CLIP_SETTINGS: Final = ("clipnorm", "clipvalue", "global_clipnorm")


def clip(
    gradients: Sequence[Gradient | None], settings: Mapping[str, Any]
) -> list[Gradient | None]:
    """Clips by the Keras settings ``clipnorm`` (L2 norm of each gradient), ``clipvalue`` (each
    number) or ``global_clipnorm`` (L2 norm of all gradients together); None stays None."""
    if settings.get("clipnorm"):
        return _each_by_norm(gradients, settings["clipnorm"])
    if settings.get("clipvalue"):
        limit = settings["clipvalue"]
        return [
            _mapped(gradient, lambda g: tf.clip_by_value(g, -limit, limit))
            for gradient in gradients
        ]
    if settings.get("global_clipnorm"):
        return list(tf.clip_by_global_norm(gradients, settings["global_clipnorm"])[0])
    return list(gradients)


def _each_by_norm(gradients: Sequence[Gradient | None], limit: float) -> list[Gradient | None]:
    # g * limit / max(|g|, limit); the factors of all gradients in a few operations, not in a few
    # for each: an operation costs more than its arithmetic on variables of this size.
    given = [gradient for gradient in gradients if gradient is not None]
    if not given:
        return list(gradients)
    # l2_loss is half of the sum of squares, as one operation.
    norms = tf.sqrt(
        2 * tf.stack([tf.nn.l2_loss(getattr(gradient, "values", gradient)) for gradient in given])
    )
    factors = iter(tf.unstack(limit / tf.maximum(norms, limit)))
    return [_mapped(gradient, lambda g: g * next(factors)) for gradient in gradients]


def _mapped(
    gradient: Gradient | None, function: Callable[[tf.Tensor], tf.Tensor]
) -> Gradient | None:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else function(gradient)


def sum_duplicates(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Values and indices with each index once, the values of equal ones added."""
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return values, indices


def to_dense(gradient: Gradient, variable: tf.Variable) -> tf.Tensor:
    """The gradient with the shape of its variable."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
