"""What the last of many steps that ran in one graph leaves behind for whoever looks after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import tensorflow as tf

_FIRST: Final[dict[str, Any]] = {tf.int64.name: 0, tf.string.name: b""}


class LastValue:
    """A variable that no checkpoint holds; with many replicas it is the value of the first.

    To put a tensor there costs a step about a microsecond, whatever is made of it later.

    Args:
        dtype: int64 or string.
        shape: what is known of the shape.
    """

    def __init__(self, dtype: tf.DType, shape: Sequence[int | None]) -> None:
        first = [0 if size is None else size for size in shape]
        self._variable = tf.Variable(
            tf.fill(first, tf.constant(_FIRST[dtype.name], dtype)),
            trainable=False,
            shape=tf.TensorShape(shape),
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def put(self, value: tf.Tensor) -> None:
        """Replaces the value, while a step runs."""
        self._variable.assign(value)

    def get(self) -> Any:
        """The value that was put last, an array or ``bytes``; empty before the first."""
        return self._variable.numpy()
