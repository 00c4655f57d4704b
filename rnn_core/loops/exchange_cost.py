"""What the exchange between workers costs, beside the steps that it holds up."""

from __future__ import annotations

import logging
import time
from typing import Final

import tensorflow as tf

from rnn_core.distribution.replicas import Replicas
from rnn_core.loops.trainable_model import TrainableModel

logger = logging.getLogger("rnn_core")

_PROBES: Final = 10
_LOOKS_BEFORE: Final = 3
"""The first steps are slower than those that follow."""


class ExchangeCost:
    """Measures one training's exchange once, and says so if it eats what many workers bring."""

    def __init__(self, model: TrainableModel) -> None:
        self._model = model
        self._left = _LOOKS_BEFORE if model.replicas.worker_count > 1 else 0

    def judge(self, seconds_a_step: float) -> None:
        """Called at each look, by all workers alike; ``seconds_a_step`` with the exchange."""
        if not self._left:
            return
        self._left -= 1
        if self._left:
            return
        exchange = exchange_seconds(self._model.replicas, self._model.sums_size)
        logger.info(
            "A step takes %.2f ms, %.2f ms of it to exchange %.2f MB of gradients.",
            1e3 * seconds_a_step,
            1e3 * exchange,
            4e-6 * self._model.sums_size,
        )
        if is_slower_than_one(seconds_a_step, exchange, self._model.replicas.worker_count):
            logger.warning(
                "%d workers are slower than one would be: of the %.2f ms of a step, %.2f ms go "
                "into the exchange. Give each worker larger batches, or take fewer workers.",
                self._model.replicas.worker_count,
                1e3 * seconds_a_step,
                1e3 * exchange,
            )


def is_slower_than_one(seconds_a_step: float, exchange_seconds: float, workers: int) -> bool:
    """Whether one worker alone would do more examples in a second: W batches take W steps there,
    each without the exchange."""
    alone = max(seconds_a_step - exchange_seconds, 0.0)
    return seconds_a_step > workers * alone


def exchange_seconds(replicas: Replicas, size: int) -> float:
    """Seconds to add up a buffer of ``size`` floats, the median of some."""

    @tf.function(autograph=False)
    def exchange(numbers: tf.Tensor) -> tf.Tensor:
        return replicas.total(lambda replica: numbers)

    numbers, seconds = tf.zeros([size]), []
    with replicas.errors():
        exchange(numbers)
        for _ in range(_PROBES):
            began_at = time.monotonic()
            exchange(numbers).numpy()
            seconds.append(time.monotonic() - began_at)
    return sorted(seconds)[_PROBES // 2]
