"""Sums of batches as one Keras metric."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.graph.summed_metrics import SummedMetrics


def metrics(sums: Any) -> dict[str, tf.Tensor]:
    mean = tf.math.divide_no_nan(sums["total"], sums["count"])
    return {"mean": mean, "most": tf.reduce_max(sums["each"])}


def sums(total: float, count: float, each: list[float]) -> dict[str, tf.Tensor]:
    values = {"total": total, "count": count, "each": each}
    return {name: tf.constant(value, tf.float64) for name, value in values.items()}


def test_metrics_are_those_of_all_sums() -> None:
    metric = SummedMetrics(sums(3.0, 1.0, [1.0, 2.0]), metrics)
    metric.update_state(sums(5.0, 3.0, [4.0, 0.0]))
    found = {name: np.asarray(value).item() for name, value in metric.result().items()}
    assert found == {"mean": 2.0, "most": 5.0}


def test_it_may_be_started_anew() -> None:
    metric = SummedMetrics(sums(3.0, 1.0, [1.0, 2.0]), metrics)
    metric.reset_state()
    metric.update_state(sums(8.0, 2.0, [0.0, 0.0]))
    assert np.asarray(metric.result()["mean"]).item() == 4.0
