"""Metrics that are made of sums, in a graph that keeps the sums itself.

A ``model_fn`` reports them as one Keras metric; a graph that is exported has pairs, as 2.15 did.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import keras
import tensorflow as tf

Measure: TypeAlias = Callable[[Mapping[str, tf.Tensor]], Mapping[str, tf.Tensor]]
"""Turns sums of all batches into metrics, float64 scalars."""


class SummedMetrics(keras.metrics.Metric):
    """Adds up the sums of batches; its result is a dict of metrics.

    Args:
        sums: float64 sums of the first batch by name; they are added at once.
        measure: turns sums of all batches into metrics.
    """

    def __init__(self, sums: Mapping[str, tf.Tensor], measure: Measure) -> None:
        super().__init__(name="metrics")
        self._measure = measure
        self._totals = {
            name: self.add_variable(value.shape, "zeros", dtype="float64", name=name)
            for name, value in sums.items()
        }
        self.update_state(sums)

    def update_state(self, sums: Mapping[str, tf.Tensor]) -> None:
        """Adds the sums of a batch."""
        for name, value in sums.items():
            self._totals[name].assign_add(value)

    def result(self) -> dict[str, tf.Tensor]:
        """float64 scalars by name."""
        totals = self._totals.items()
        return dict(self._measure({k: tf.convert_to_tensor(v.value) for k, v in totals}))


def streamed(
    sums: Mapping[str, tf.Tensor], measure: Measure
) -> dict[str, tuple[tf.Tensor, tf.Operation]]:
    """Metrics of a graph that a session or a signature runs once per batch.

    Args:
        sums: float64 sums of the batch by name.
        measure: turns sums of all batches into metrics.

    Returns:
        By name, the metric of what was added in earlier runs, float32, and the operation that adds
        the batch. They share their sums: the operation of one adds the batch for all.
    """
    totals = {name: _local(value.shape) for name, value in sums.items()}
    # The value is read before the batch is added, as 2.15's pair of (value, update operation) does
    # when both are run at once: a value counts the batches of earlier runs.
    earlier = {name: total.read_value() for name, total in totals.items()}
    with tf.control_dependencies(list(earlier.values())):
        add = tf.group(*(totals[name].assign_add(value) for name, value in sums.items()))
    return {name: (tf.cast(one, tf.float32), add) for name, one in measure(earlier).items()}


def _local(shape: tf.TensorShape) -> tf.Variable:
    """Zeros that no checkpoint holds. All get one name: that of a sum may have any characters."""
    return tf.compat.v1.Variable(
        tf.zeros(shape, tf.float64),
        trainable=False,
        collections=[tf.compat.v1.GraphKeys.LOCAL_VARIABLES],
        use_resource=True,
        name="total",
    )
