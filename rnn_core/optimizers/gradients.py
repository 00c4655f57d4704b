"""What happens to gradients before an optimizer takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import tensorflow as tf

CLIP_SETTINGS: Final = ("clipnorm", "clipvalue", "global_clipnorm")


def clip(gradients: Sequence[Any], settings: Mapping[str, Any]) -> list[Any]:
    """Clips by the Keras settings ``clipnorm`` (each), ``clipvalue`` or ``global_clipnorm``."""
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


def _each_by_norm(gradients: Sequence[Any], limit: float) -> list[Any]:
    """Each gradient with a norm of at most ``limit``; all factors are found at once, in few ops."""
    given = [gradient for gradient in gradients if gradient is not None]
    if not given:
        return list(gradients)
    # l2_loss is half of the sum of squares, as one operation.
    norms = tf.sqrt(2 * tf.stack([tf.nn.l2_loss(_values(gradient)) for gradient in given]))
    factors = iter(tf.unstack(limit / tf.maximum(norms, limit)))
    return [_mapped(gradient, lambda g: g * next(factors)) for gradient in gradients]


def _values(gradient: Any) -> tf.Tensor:
    return gradient.values if isinstance(gradient, tf.IndexedSlices) else gradient


def _mapped(gradient: Any, function: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else function(gradient)


def sum_duplicates(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Values and indices with each index once, the values of equal ones added."""
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return values, indices


def to_dense(gradient: Any, variable: tf.Variable) -> tf.Tensor:
    """The gradient with the shape of its variable."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    return tf.math.unsorted_segment_sum(gradient.values, gradient.indices, variable.shape[0])
