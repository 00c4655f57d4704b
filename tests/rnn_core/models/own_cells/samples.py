"""Cells that keep their variables where no list of weights shows them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

H = 3
GLOBAL = tf.Variable(1.0, name="global_gain")


class Hidden:
    """Layers and variables in plain attributes, lists and dicts."""

    state_size = output_size = H

    def __init__(self) -> None:
        self.mix = keras.layers.Dense(H, activation="tanh")
        self.gain = tf.Variable(1.0)
        self.more = [tf.Variable(1.0), {"a b": tf.Variable(2.0)}]

    def call(self, inputs: Any, states: Any) -> Any:
        hidden = self.mix(tf.concat([inputs, states[0]], 1)) * self.gain
        output = hidden * self.more[0] * self.more[1]["a b"]
        return output, [output]


class HiddenModule(tf.Module, Hidden):
    """The same as a module."""

    def __init__(self) -> None:
        tf.Module.__init__(self)
        Hidden.__init__(self)


class HiddenLayer(keras.layers.Layer):
    """The same behind an attribute of a layer, with a counter of TensorFlow's."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self.state_size = self.output_size = H
        self.inner = Hidden()
        self.calls = tf.Variable(0)

    def call(self, inputs: Any, states: Any) -> Any:
        self.calls.assign_add(1)
        return self.inner.call(inputs, states)


class Nested:
    """An object in an object."""

    state_size = output_size = H

    def __init__(self) -> None:
        self.part = Hidden()

    def call(self, inputs: Any, states: Any) -> Any:
        return self.part.call(inputs, states)


class Lazy:
    """Makes its variables in its first call, and counts its calls."""

    state_size = output_size = H
    kernel: Any = None

    def call(self, inputs: Any, states: Any) -> Any:
        if self.kernel is None:
            self.kernel = tf.Variable(tf.ones([inputs.shape[-1], H]))
            self.calls = tf.Variable(0.0, trainable=False)
        self.calls.assign_add(1.0)
        output = tf.tanh(inputs @ self.kernel + states[0])
        return output, [output]


def closure() -> Any:
    """A cell whose variables are those of the functions around it."""
    gain = tf.Variable(1.0)
    mix = keras.layers.Dense(H)
    compiled = tf.function(lambda x, state: mix(x) + state, autograph=False)

    class Enclosed:
        state_size = output_size = H

        def call(self, inputs: Any, states: Any) -> Any:
            output = tf.tanh(compiled(inputs, states[0]) * gain * GLOBAL)
            return output, [output]

    return Enclosed()


def sharing() -> Any:
    """Two cells with one variable."""
    gain = tf.Variable(tf.ones([H]))

    class Sharing:
        state_size = output_size = H

        def __init__(self) -> None:
            self.gain = gain

        def call(self, inputs: Any, states: Any) -> Any:
            output = inputs[:, :1] * self.gain + states[0]
            return output, [output]

    return [Sharing(), Sharing()]


class InitialState(Hidden):
    """Learns its first state."""

    def __init__(self) -> None:
        super().__init__()
        self.first = tf.Variable(tf.ones([1, H]))

    def get_initial_state(self, batch_size: Any) -> Any:
        return [tf.repeat(self.first, batch_size, 0)]


class EachCall:
    """Makes a variable in each call."""

    state_size = output_size = 1

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs[:, :1] * tf.Variable(1.0), states
