"""The loop gives what the same steps give one by one, with the gradients of TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.models import time_loop
from rnn_core.models.cells import KINDS, CellWeights

B, F, H = 3, 2, 5
UNROLLED = time_loop.UNROLLED_STEPS


def _layer(name: str, steps: int) -> list[Any]:
    """Inputs, kernel, recurrent kernel and bias."""
    kind, random = KINDS[name], np.random.default_rng(1)
    width = kind.gates * H
    bias = (2, width) if name == "gru" else (width,)
    shapes = ((steps, B, F), (F, width), (H, width), bias)
    return [tf.constant(random.normal(size=shape), tf.float32) for shape in shapes]


@pytest.mark.parametrize("steps", [1, UNROLLED - 1, UNROLLED, UNROLLED + 1, 3 * UNROLLED - 2])
@pytest.mark.parametrize("name", sorted(KINDS))
def test_states_and_gradients_are_those_of_single_steps(name: str, steps: int) -> None:
    kind, given = KINDS[name], _layer(name, steps)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(given)
        inputs, kernel, recurrent, biases = given
        input_bias, product_bias = tf.unstack(biases) if name == "gru" else (biases, None)
        states, hidden = (tf.zeros([B, H]),) * kind.states, []
        for t in range(steps):
            x, product = inputs[t] @ kernel + input_bias, states[0] @ recurrent
            if product_bias is not None:
                x += tf.pad(product_bias[: 2 * H], [[0, H]])
                states, _ = kind.step(x, states, product, product_bias[2 * H :])
            else:
                states, _ = kind.step(x, states, product)
            hidden.append(states[0])
        expected = tf.stack(hidden)
        found = time_loop.run_time_loop(kind, CellWeights(*given[1:]), inputs)
        losses = [tf.reduce_sum(one**2) for one in (found, expected)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for one, other in zip(*(tape.gradient(loss, given) for loss in losses), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(KINDS))
def test_an_export_has_the_same_states_and_gradients(name: str) -> None:
    inputs, *weights = _layer(name, 7)
    found = []
    for is_exported in (False, True):
        with tf.GradientTape() as tape:
            tape.watch([inputs, *weights])
            layer = KINDS[name], CellWeights(*weights), inputs
            hidden = time_loop.run_time_loop(*layer, is_exported)
            loss = tf.reduce_sum(hidden**2)
        found.append([hidden, *tape.gradient(loss, [inputs, *weights])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
