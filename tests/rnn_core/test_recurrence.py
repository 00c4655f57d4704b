"""The recurrent layers against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import cells, recurrence

T, B, F, H = 5, 4, 3, 2
KIND_NAMES = sorted(cells.KINDS)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def reference_step(name: str, x: Any, states: Any, weights: dict[str, Any]) -> tuple[Any, ...]:
    """One step of Keras 2's cells, in float64."""
    hidden, kernel, recurrent = states[0], weights["kernel"], weights["recurrent"]
    bias = weights["bias"]
    if name == "simple_rnn":
        return (np.tanh(x @ kernel + hidden @ recurrent + bias),)
    if name == "gru":
        x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3)
        inner_z, inner_r, inner_h = np.split(hidden @ recurrent + bias[1], 3)
        z, r = sigmoid(x_z + inner_z), sigmoid(x_r + inner_r)
        return (z * hidden + (1 - z) * np.tanh(x_h + r * inner_h),)
    i, f, c, o = np.split(x @ kernel + hidden @ recurrent + bias, 4)
    memory = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(c)
    return sigmoid(o) * np.tanh(memory), memory


def reference_layer(name: str, inputs: Any, lengths: Any, weights: dict[str, Any]) -> Any:
    outputs = np.zeros((T, B, H))
    for row in range(B):
        states: Any = (np.zeros(H),) * cells.KINDS[name].states
        for t in range(T):
            if t < lengths[row]:
                states = reference_step(name, inputs[t, row], states, weights)
            outputs[t, row] = states[0]
    return outputs


@pytest.fixture(params=KIND_NAMES)
def layer(request: pytest.FixtureRequest) -> Any:
    name = request.param
    random = np.random.default_rng(3)
    kind = cells.KINDS[name]
    width = kind.gates * H
    bias_shape = (width,) if kind.bias_rows == 1 else (2, width)
    weights = {
        "kernel": random.normal(size=(F, width)),
        "recurrent": random.normal(size=(H, width)),
        "bias": random.normal(size=bias_shape),
    }
    lengths = np.array([5, 1, 3, 0])
    inputs = random.normal(size=(T, B, F))
    return name, weights, inputs, lengths


def run(name: str, weights: Any, inputs: Any, lengths: Any) -> Any:
    variables = cells.CellWeights(
        *(tf.Variable(value, dtype=tf.float32) for value in weights.values())
    )
    mask = tf.transpose(tf.sequence_mask(lengths, T, dtype=tf.float32))[:, :, tf.newaxis]
    inputs = tf.constant(inputs, tf.float32)
    watched = [variables.kernel, variables.recurrent_kernel, variables.bias, inputs]
    with tf.GradientTape() as tape:
        tape.watch(inputs)
        outputs = recurrence.run_layer(cells.KINDS[name], variables, inputs, mask)
        loss = tf.reduce_sum(outputs * tf.constant(upstream(), tf.float32))
    return outputs.numpy(), tape.gradient(loss, watched)


def upstream() -> Any:
    return np.random.default_rng(4).normal(size=(T, B, H))


def test_states_are_those_of_plain_loops(layer: Any) -> None:
    outputs, _ = run(*layer)
    name, weights, inputs, lengths = layer
    np.testing.assert_allclose(
        outputs, reference_layer(name, inputs, lengths, weights), rtol=1e-5, atol=1e-6
    )


def test_gradients_are_the_slopes_of_plain_loops(layer: Any) -> None:
    name, weights, inputs, lengths = layer
    _, gradients = run(*layer)

    def loss() -> float:
        return float((reference_layer(name, inputs, lengths, weights) * upstream()).sum())

    for value, gradient in zip((*weights.values(), inputs), gradients, strict=True):
        slopes = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            kept, step = value[index], 1e-5
            value[index] = kept + step
            above = loss()
            value[index] = kept - step
            slopes[index] = (above - loss()) / (2 * step)
            value[index] = kept
        np.testing.assert_allclose(gradient.numpy(), slopes, rtol=1e-3, atol=1e-4)


def test_a_padded_step_gives_its_input_no_gradient(layer: Any) -> None:
    _, gradients = run(*layer)
    lengths = layer[3]
    padded = np.arange(T)[:, np.newaxis] >= lengths
    assert np.all(gradients[3].numpy()[padded] == 0)
