"""The metrics of a head as one Keras metric, for a ``model_fn`` that reports them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from rnn_core.types import Array


class SummedMetrics(keras.metrics.Metric):
    """Adds up the sums of batches; its result is a dict of metrics.

    Args:
        sums: float64 sums of the first batch by name; they are added at once.
        metrics: turns sums of all batches into metrics.
    """

    def __init__(
        self,
        sums: Mapping[str, tf.Tensor],
        metrics: Callable[[Mapping[str, Array]], Mapping[str, float]],
    ) -> None:
        super().__init__(name="metrics")
        self._measure = metrics
        self._totals = {
            name: self.add_variable(value.shape, "zeros", dtype="float64", name=name)
            for name, value in sums.items()
        }
        self.update_state(sums)

    def update_state(self, sums: Mapping[str, tf.Tensor]) -> None:
        """Adds the sums of a batch."""
        for name, value in sums.items():
            self._totals[name].assign_add(value)

    def result(self) -> dict[str, Any]:
        """float64 scalars by name."""
        sizes = {name: np.zeros(total.shape) for name, total in self._totals.items()}
        names = sorted(self._measure(sizes))

        def measured(*totals: Array) -> list[Array]:
            found = self._measure(dict(zip(self._totals, totals, strict=True)))
            return [np.asarray(found[name]) for name in names]

        totals = [tf.convert_to_tensor(total.value) for total in self._totals.values()]
        values = tf.numpy_function(measured, totals, [tf.float64] * len(names))
        return {name: tf.ensure_shape(value, []) for name, value in zip(names, values, strict=True)}
