"""Dropout whose numbers depend on the run's seed and the training step alone."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.graph import initializers


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
        self._rate = rate
        self._seed = int(initializers.generator(f"{name}/dropout", seed).integers(2**31))

    def __call__(self, values: tf.Tensor, training_step: tf.Tensor | None) -> tf.Tensor:
        """``values`` with zeros; as they are if ``training_step`` is None or the rate is 0."""
        if training_step is None or self._rate == 0:
            return values
        seed = tf.stack([tf.constant(self._seed, tf.int64), tf.cast(training_step, tf.int64)])
        # Philox by name: the default differs between devices.
        return tf.nn.experimental.stateless_dropout(values, self._rate, seed, rng_alg="philox")
