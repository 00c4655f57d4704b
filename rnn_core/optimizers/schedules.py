"""A learning rate as a function of the step, where Keras has none.

``keras.optimizers.schedules`` has the others: ``CosineDecay`` (with warm-up),
``PiecewiseConstantDecay``, ``ExponentialDecay``, ``CosineDecayRestarts`` and more.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from rnn_core.checks import check_count
from rnn_core.errors import ArgumentError


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One cycle of the learning rate: up in a straight line, and down along half a cosine.

    Reference: Smith 2018, A Disciplined Approach to Neural Network Hyper-Parameters. The momentum
    of the optimizer stays what it is.

    Args:
        max_learning_rate: the highest rate, such as the largest with which a short training learns.
        total_steps: of the whole training. After them the rate is the last one.
        warmup_share: which share of the steps goes up, in [0, 1).
        first_divisor: the first rate is the highest divided by this.
        last_divisor: the last rate is the highest divided by this.

    Raises:
        ArgumentError: one of them is not legal.
    """

    def __init__(
        self,
        max_learning_rate: float,
        total_steps: int,
        warmup_share: float = 0.3,
        first_divisor: float = 25.0,
        last_divisor: float = 1e4,
    ) -> None:
        for name, value, least in (
            ("max_learning_rate", max_learning_rate, 0.0),
            ("first_divisor", first_divisor, 1.0),
            ("last_divisor", last_divisor, 1.0),
        ):
            if not least <= value < math.inf or not value:
                raise ArgumentError(f"{name}: expected a number above {least:g}, got {value!r}.")
        if not 0 <= warmup_share < 1:
            raise ArgumentError(f"warmup_share: expected a number in [0, 1), got {warmup_share!r}.")
        self._settings = {
            "max_learning_rate": float(max_learning_rate),
            "total_steps": check_count(total_steps, 1, "total_steps"),
            "warmup_share": float(warmup_share),
            "first_divisor": float(first_divisor),
            "last_divisor": float(last_divisor),
        }

    def __call__(self, step: Any) -> tf.Tensor:
        """The learning rate after ``step`` steps, a float32 scalar."""
        highest, total, share, first_divisor, last_divisor = self._settings.values()
        done = tf.minimum(tf.cast(step, tf.float32), total)
        rising = total * share
        first, last = highest / first_divisor, highest / last_divisor
        # Of the rise and of the fall, the part that is done; without a rise, all is fall.
        up = done / max(rising, 1.0)
        down = (done - rising) / (total - rising)
        return tf.where(
            done < rising,
            first + (highest - first) * up,
            last + (highest - last) * 0.5 * (1 + tf.cos(math.pi * down)),
        )

    def get_config(self) -> dict[str, Any]:
        """The arguments."""
        return dict(self._settings)
