"""One layer over all time steps in a loop, with its gradient written out.

The input is projected for all steps at once, before the loop; the loop holds only what depends on
the step before; the gradients of the weights are one product after it. Only the states and the
recurrent products are kept for the gradient: the gates are made again from them, for all steps at
once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import tensorflow as tf

from rnn_core.cells import CellKind, CellWeights, Factors, States

_STEPS_AT_ONCE: Final = 5
"""In a turn of the loop of an export: fewer turns have fewer operations of the loop itself."""


def run_layer(kind: CellKind, weights: CellWeights, inputs: tf.Tensor) -> tf.Tensor:
    """Hidden states float32 [T, B, H] for inputs float32 [T, B, F]."""
    return _recurrence(kind)(*_prepared(kind, weights, inputs))


def run_layer_for_export(kind: CellKind, weights: CellWeights, inputs: tf.Tensor) -> tf.Tensor:
    """The same in less time for the few rows of a request; its gradient is TensorFlow's own."""
    projected, recurrent, bias = _prepared(kind, weights, inputs)
    time, batch = tf.unstack(tf.shape(projected)[:2])
    turns = (time + _STEPS_AT_ONCE - 1) // _STEPS_AT_ONCE
    padded = tf.pad(projected, [[0, turns * _STEPS_AT_ONCE - time], [0, 0], [0, 0]])
    steps = tf.reshape(padded, [turns, _STEPS_AT_ONCE, batch, projected.shape[2]])
    zeros = tf.zeros([batch, recurrent.shape[0]])
    hidden = tf.TensorArray(tf.float32, turns, element_shape=[_STEPS_AT_ONCE, None, zeros.shape[1]])

    def turn(t: tf.Tensor, states: States, hidden: tf.TensorArray) -> tuple[Any, ...]:
        found = []
        for step in tf.unstack(tf.gather(steps, t), _STEPS_AT_ONCE):
            product = tf.nn.bias_add(tf.matmul(states[0], recurrent), bias)
            states = kind.step(step, states, product)
            found.append(states[0])
        return t + 1, states, hidden.write(t, tf.stack(found))

    start = (tf.constant(0), (zeros,) * kind.states, hidden)
    loop = tf.while_loop(lambda t, *_: t < turns, turn, start, parallel_iterations=1)
    return loop[2].concat()[:time]


def _prepared(
    kind: CellKind, weights: CellWeights, inputs: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The projected input [T, B, G], the recurrent kernel [H, G] and its bias [G]."""
    bias = tf.convert_to_tensor(weights.bias)
    recurrent = tf.convert_to_tensor(weights.recurrent_kernel)
    if kind.bias_rows == 1:
        bias = tf.stack([bias, tf.zeros_like(bias)])
    projected = _product(inputs, tf.convert_to_tensor(weights.kernel), bias[0])
    return projected, recurrent, bias[1]


def _product(inputs: tf.Tensor, matrix: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """[T, B, F] by [F, G] plus [G], as one product."""
    time, batch = tf.unstack(tf.shape(inputs)[:2])
    flat = tf.matmul(tf.reshape(inputs, [-1, matrix.shape[0]]), matrix)
    return tf.reshape(tf.nn.bias_add(flat, bias), [time, batch, matrix.shape[1]])


def _recurrence(kind: CellKind) -> Callable[..., tf.Tensor]:
    @tf.custom_gradient
    def recurrence(
        projected: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[Any, ...]]]:
        states, product = _forward(kind, projected, recurrent, bias)

        def gradient(upstream: tf.Tensor) -> tuple[Any, ...]:
            before = tuple(tf.pad(state[:-1], [[1, 0], [0, 0], [0, 0]]) for state in states)
            factors = kind.factors(projected, before, states, product)
            d_states = _backward(upstream, factors, recurrent)
            return _weight_gradients(kind, d_states, factors, before[0])

        return states[0], gradient

    result: Callable[..., tf.Tensor] = recurrence
    return result


def _forward(
    kind: CellKind, projected: tf.Tensor, recurrent: tf.Tensor, bias: tf.Tensor
) -> tuple[States, tf.Tensor]:
    """All states [T, B, H] and recurrent products [T, B, G], first to last step."""
    time, batch = tf.unstack(tf.shape(projected)[:2])
    zeros = tf.zeros([batch, recurrent.shape[0]])
    arrays = (*_arrays(kind.states, time, zeros), *_arrays(1, time, projected[0]))

    def step(t: tf.Tensor, before: States, arrays: Any) -> tuple[Any, ...]:
        product = tf.nn.bias_add(tf.matmul(before[0], recurrent), bias)
        after = kind.step(tf.gather(projected, t), before, product)
        return t + 1, after, _write(arrays, t, (*after, product))

    start = (tf.constant(0), (zeros,) * kind.states, arrays)
    loop = tf.while_loop(lambda t, *_: t < time, step, start, parallel_iterations=1)
    *states, products = (array.stack() for array in loop[2])
    return tuple(states), products


def _backward(upstream: tf.Tensor, factors: Factors, recurrent: tf.Tensor) -> tf.Tensor:
    """Gradients [T, B, G / H or 1, H] that the gates' factors are multiplied with."""
    time, batch = tf.unstack(tf.shape(upstream)[:2])
    gates, units = factors.gates.shape[2:]
    zeros = tf.zeros([batch, units])
    has_memory = factors.inner.shape[-1] > 0
    arrays = _arrays(2 if has_memory else 1, time, zeros)

    def step(t: tf.Tensor, d_hidden: tf.Tensor, d_memory: Any, arrays: Any) -> tuple[Any, ...]:
        d_hidden = d_hidden + tf.gather(upstream, t)
        seen: States = (d_hidden,)
        if has_memory:
            d_memory = d_memory + d_hidden * tf.gather(factors.inner, t)
            seen = (d_hidden, d_memory)
        d_gates = _spread(seen, gates, axis=1) * tf.gather(factors.gates, t)
        d_product = tf.reshape(d_gates, [-1, gates * units])
        past = tf.matmul(d_product, recurrent, transpose_b=True)
        if has_memory:
            d_memory = d_memory * tf.gather(factors.carry, t)
        elif gates > 1:
            past = past + d_hidden * tf.gather(factors.carry, t)
        return t - 1, past, d_memory, _write(arrays, t, seen)

    loop = tf.while_loop(
        lambda t, *_: t >= 0, step, (time - 1, zeros, zeros, arrays), parallel_iterations=1
    )
    return _spread(tuple(array.stack() for array in loop[3]), gates, axis=2)


def _spread(seen: States, gates: int, axis: int) -> tf.Tensor:
    """Along ``axis``, the gradient that each gate sees: the memory's, for the output the hidden."""
    if len(seen) == 1:
        return tf.expand_dims(seen[0], axis)
    hidden, memory = seen
    return tf.stack([memory] * (gates - 1) + [hidden], axis)


def _weight_gradients(
    kind: CellKind, d_states: tf.Tensor, factors: Factors, hidden_before: tf.Tensor
) -> tuple[Any, ...]:
    """For projected [T, B, G], recurrent [H, G] and bias [G]."""
    time, batch = tf.unstack(tf.shape(hidden_before)[:2])
    units = hidden_before.shape[2]
    width = kind.gates * units
    d_product = tf.reshape(d_states * factors.gates, [-1, width])
    d_recurrent = tf.matmul(tf.reshape(hidden_before, [-1, units]), d_product, transpose_a=True)
    d_projected = tf.reshape(d_states * factors.inputs, [time, batch, width])
    return d_projected, d_recurrent, tf.reduce_sum(d_product, 0)


def _arrays(count: int, time: tf.Tensor, like: tf.Tensor) -> tuple[tf.TensorArray, ...]:
    return tuple(tf.TensorArray(tf.float32, time, element_shape=like.shape) for _ in range(count))


def _write(arrays: Any, t: tf.Tensor, values: States) -> tuple[Any, ...]:
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))
