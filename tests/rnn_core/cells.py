"""Cells that a user might bring."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


class PlainCell:
    """The protocol and nothing else; counts the steps that it saw, too."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.state_size = [units, 1]
        self.output_size = units
        self.scale = tf.Variable(0.5)

    def call(self, inputs: Any, states: Any) -> Any:
        total, count = states
        total = total + self.scale * tf.reduce_sum(inputs, 1, keepdims=True)
        return total, [total, count + 1.0]

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        del inputs
        return [tf.ones([batch_size, self.units], dtype), tf.zeros([batch_size, 1], dtype)]


class DenseCell(keras.layers.Layer):
    """A Keras layer with a layer inside."""

    def __init__(self, units: int, **more: Any) -> None:
        super().__init__(**more)
        self.units = self.state_size = self.output_size = units
        self.mix = keras.layers.Dense(units, activation="tanh")

    def build(self, input_shape: Any) -> None:
        self.mix.build((None, input_shape[-1] + self.units))

    def call(self, inputs: Any, states: Any) -> Any:
        output = self.mix(tf.concat([inputs, states[0]], 1))
        return output, [output]
