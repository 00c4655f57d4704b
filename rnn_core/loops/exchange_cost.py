"""Measures what share of a training step the all-reduce between workers takes."""

from __future__ import annotations

import logging
import time
from typing import Final

import tensorflow as tf

from rnn_core.distribution.replicas import Replicas
from rnn_core.loops.trainable_model import TrainableModel

logger = logging.getLogger("rnn_core")

_PROBES: Final = 10
"""The median of so many exchanges is reported."""
_CALLS_BEFORE: Final = 3
"""Measured after so many graph calls: the first steps are slower than those that follow."""


class ExchangeCost:
    """Measures one training's exchange once; warns if it costs more than the workers gain."""

    def __init__(self, model: TrainableModel) -> None:
        self._model = model
        self._left = _CALLS_BEFORE if model.replicas.worker_count > 1 else -1

    def judge(self, seconds_per_step: float) -> None:
        """Called by all workers after each graph call, since it may run an exchange itself.

        Args:
            seconds_per_step: the time of a training step, the exchange included.
        """
        self._left -= 1
        if self._left != 0:
            return
        exchange = exchange_seconds(self._model.replicas, self._model.sums_size)
        logger.info(
            "A step takes %.2f ms, of which %.2f ms to exchange %.2f MB of gradients.",
            1e3 * seconds_per_step,
            1e3 * exchange,
            # Four bytes for each float32.
            1e-6 * 4 * self._model.sums_size,
        )
        if is_slower_than_one(seconds_per_step, exchange, self._model.replicas.worker_count):
            logger.warning(
                "%d workers are slower than one would be: of the %.2f ms of a step, %.2f ms go "
                "into the exchange. Give each worker larger batches, or take fewer workers.",
                self._model.replicas.worker_count,
                1e3 * seconds_per_step,
                1e3 * exchange,
            )


def is_slower_than_one(seconds_per_step: float, exchange_seconds: float, workers: int) -> bool:
    """Whether one worker alone would process more examples per second: W batches take it W steps,
    each without the exchange.
    """
    # With s a step and e its exchange: W workers do W batches in s, one does them in W (s - e).
    alone = max(seconds_per_step - exchange_seconds, 0.0)
    return seconds_per_step > workers * alone


def exchange_seconds(replicas: Replicas, size: int) -> float:
    """The median seconds of an all-reduce of ``size`` floats. All workers must call this."""

    @tf.function(autograph=False)
    def exchange(numbers: tf.Tensor) -> tf.Tensor:
        return replicas.all_reduce_sum(lambda replica: numbers)

    numbers, seconds = tf.zeros([size]), []
    with replicas.errors():
        # Not measured: it traces the function.
        exchange(numbers)
        for _ in range(_PROBES):
            began_at = time.monotonic()
            # Reading the result waits for it: the call alone may return before the exchange is
            # done.
            exchange(numbers).numpy()
            seconds.append(time.monotonic() - began_at)
    return sorted(seconds)[_PROBES // 2]
