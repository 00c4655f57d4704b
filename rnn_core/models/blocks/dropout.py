"""Dropout whose numbers depend on the run's seed and the training step alone."""

from __future__ import annotations

from typing import Final

import tensorflow as tf

from rnn_core.graph import initializers

_LEVELS: Final = 2**16
"""Rates are rounded to one in so many: two numbers come from one draw of 32 bits, which is what
dropout takes its time for."""


class Dropout:
    """Zeros for a share of the numbers in training; the others are scaled up: Srivastava et al.
    2014.

    A training that was interrupted draws what it would have drawn, and each replica has numbers of
    its own. Without a seed there is no such promise.

    Args:
        name: tells the places of a network apart, which must not draw the same numbers.
        rate: the share, in [0, 1).
        seed: the run's.
    """

    def __init__(self, name: str, rate: float, seed: int | None) -> None:
        # A rate just below 1 must leave something to scale up.
        self._dropped = min(round(rate * _LEVELS), _LEVELS - 1)
        self._seed = int(initializers.generator(f"{name}/dropout", seed).integers(2**31))

    def __call__(self, values: tf.Tensor, training_step: tf.Tensor | None) -> tf.Tensor:
        """``values`` with zeros; as they are if ``training_step`` is None or the rate is 0."""
        if training_step is None or self._dropped == 0:
            return values
        values = tf.convert_to_tensor(values)
        drawn = tf.reshape(self._draw(tf.size(values), training_step), tf.shape(values))
        # Of -2^15 to 2^15 - 1 the lowest are dropped.
        is_kept = drawn >= self._dropped - _LEVELS // 2
        factor = _LEVELS / (_LEVELS - self._dropped)
        return values * (tf.cast(is_kept, values.dtype) * factor)

    def _draw(self, count: tf.Tensor, training_step: tf.Tensor) -> tf.Tensor:
        """int16 [``count``], all values alike."""
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(training_step, tf.int64)])
        # Philox by name: the default differs between devices.
        pairs = tf.random.stateless_uniform(
            [(count + 1) // 2], seed, None, None, tf.int32, alg="philox"
        )
        return tf.reshape(tf.bitcast(pairs, tf.int16), [-1])[:count]
