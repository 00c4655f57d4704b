"""Packs gradients into one buffer, so that a step needs a single all-reduce.

A gradient of rows (``tf.IndexedSlices``, of an embedding) travels as the dense sum of its rows,
with how often each row was touched, because some optimizers leave the other rows alone. Its norm is
that of the summed rows, as it is for one replica with all examples: a lookup of TensorFlow adds up
the gradients of equal rows itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from rnn_core.optimizers.gradients import to_dense


@dataclasses.dataclass(frozen=True)
class Part:
    """The shape and kind of one variable's gradient in the buffer."""

    shape: tuple[int, ...]
    kind: type[Any] | None
    """``tf.Tensor``, ``tf.IndexedSlices``, or None without a gradient."""

    @property
    def size(self) -> int:
        """The length of its piece of the buffer; a sparse one adds a counter per row."""
        dense = tf.TensorShape(self.shape).num_elements()
        if self.kind is None:
            return 0
        return int(dense + self.shape[0] if self.kind is tf.IndexedSlices else dense)


def layout(gradients: Sequence[Any], variables: Sequence[tf.Variable]) -> tuple[Part, ...]:
    """The part of each gradient, in the order of ``variables``."""
    return tuple(
        Part(tuple(variable.shape), _kind(gradient))
        for gradient, variable in zip(gradients, variables, strict=True)
    )


def _kind(gradient: Any) -> type[Any] | None:
    if gradient is None:
        return None
    return tf.IndexedSlices if isinstance(gradient, tf.IndexedSlices) else tf.Tensor


def pack(
    counts: tf.Tensor, gradients: Sequence[Any], variables: Sequence[tf.Variable]
) -> tf.Tensor:
    """float32 [C + P]: ``counts`` [C], then the P numbers of all gradients in order."""
    numbers = [counts]
    for gradient, variable in zip(gradients, variables, strict=True):
        if gradient is None:
            continue
        # Not -1: a gradient may not know its shape before it runs, and the buffer must.
        numbers.append(tf.reshape(to_dense(gradient, variable), [variable.shape.num_elements()]))
        if isinstance(gradient, tf.IndexedSlices):
            # float32 [rows]: how often each row is in the gradient.
            ones = tf.ones(tf.shape(gradient.indices), tf.float32)
            rows = variable.shape[0]
            numbers.append(tf.math.unsorted_segment_sum(ones, gradient.indices, rows))
    return tf.concat(numbers, 0)


def split(total: tf.Tensor, counts: int, parts: Sequence[Part]) -> list[tf.Tensor]:
    """Splits a sum of buffers into its counts [``counts``] and one piece per gradient."""
    pieces: list[tf.Tensor] = tf.split(total, [counts, *(part.size for part in parts)])
    return pieces


def unpack(pieces: Sequence[tf.Tensor], parts: Sequence[Part], divisor: tf.Tensor) -> list[Any]:
    """The gradients out of the pieces of a sum, divided by ``divisor``."""
    gradients: list[Any] = []
    for piece, part in zip(pieces, parts, strict=True):
        if part.kind is None:
            gradients.append(None)
        elif part.kind is tf.Tensor:
            gradients.append(tf.reshape(piece / divisor, part.shape))
        else:
            # The counters at the end say which rows any replica touched: a row whose gradients sum
            # to zero is one of them, and a row that none looked up is not.
            rows = part.shape[0]
            dense = tf.reshape(piece[:-rows] / divisor, part.shape)
            indices = tf.where(piece[-rows:] > 0)[:, 0]
            gradients.append(tf.IndexedSlices(tf.gather(dense, indices), indices))
    return gradients
