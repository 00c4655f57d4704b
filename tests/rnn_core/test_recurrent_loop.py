"""The loop gives what the same steps give one by one, with the gradients of TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import recurrent_loop
from rnn_core.cells import KINDS, CellWeights

T, B, F, H = 4, 3, 2, 5


def _layer(name: str, steps: int) -> list[Any]:
    """Inputs, kernel, recurrent kernel and bias."""
    kind, random = KINDS[name], np.random.default_rng(1)
    width = kind.gates * H
    bias = (2, width) if name == "gru" else (width,)
    shapes = ((steps, B, F), (F, width), (H, width), bias)
    return [tf.constant(random.normal(size=shape), tf.float32) for shape in shapes]


@pytest.mark.parametrize("name", sorted(KINDS))
def test_states_and_gradients_are_those_of_single_steps(name: str) -> None:
    kind, given = KINDS[name], _layer(name, T)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        inputs, kernel, recurrent, biases = given
        input_bias, product_bias = tf.unstack(biases) if name == "gru" else (biases, 0.0)
        states, steps = (tf.zeros([B, H]),) * kind.states, []
        for t in range(T):
            product = states[0] @ recurrent + product_bias
            states = kind.step(inputs[t] @ kernel + input_bias, states, product)
            steps.append(states[0])
        expected = tf.stack(steps)
        found = recurrent_loop.run_layer(kind, CellWeights(*given[1:]), inputs)
        losses = [tf.reduce_sum(hidden**2) for hidden in (found, expected)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(*(tape.gradient(loss, given) for loss in losses), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("steps", [1, 4, 5, 6, 13])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_export_finds_the_same_states_for_any_number_of_steps(name: str, steps: int) -> None:
    inputs, *weights = _layer(name, steps)
    expected = recurrent_loop.run_layer(KINDS[name], CellWeights(*weights), inputs)
    found = recurrent_loop.run_layer_for_export(KINDS[name], CellWeights(*weights), inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
