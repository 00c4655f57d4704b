"""The recurrent layers on stock operations against plain loops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.models import stock_layers
from rnn_core.models.cells import KINDS, CellWeights
from rnn_core.names import LayerOutput
from tests.rnn_core import plain_loops

T, B, F = 5, 4, 3
NAMES = sorted(KINDS)
MASKS = {
    "rows that end": np.arange(T) < np.array([[5], [1], [3], [0]]),
    "gaps": np.array([[1, 0, 1, 1, 0], [0, 0, 1, 0, 0], [1, 1, 1, 1, 1], [0, 0, 0, 0, 0]], bool),
}


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[2, 80], ids=["few units", "many units"])
def units(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=MASKS)
def mask(request: pytest.FixtureRequest) -> Any:
    return MASKS[request.param]


def arguments(name: str, units: int) -> list[Any]:
    """Values [B, T, F], kernel, recurrent kernel and bias."""
    random = np.random.default_rng(3)
    width = KINDS[name].gates * units
    bias = (2, width) if name == "gru" else (width,)
    weights = [random.normal(size=shape) / shape[0] for shape in ((F, width), (units, width), bias)]
    return [random.normal(size=(B, T, F)), *weights]


def run(name: str, arguments: list[Any], mask: Any, upstream: Any) -> tuple[Any, list[Any]]:
    """Hidden states of all steps or, by the rank of ``upstream``, the last; and the gradients."""
    given = [tf.constant(value, tf.float32) for value in arguments]
    with tf.GradientTape() as tape:
        tape.watch(given)
        layer = (KINDS[name], CellWeights(*given[1:]))
        output: LayerOutput = "steps" if upstream.ndim == 3 else "last"
        hidden = stock_layers.run_stock([layer], given[0], tf.constant(mask), output)
        loss = tf.reduce_sum(hidden * tf.constant(upstream, tf.float32))
    return hidden.numpy(), [gradient.numpy() for gradient in tape.gradient(loss, given)]


def upstream(*shape: int) -> Any:
    return np.random.default_rng(4).normal(size=shape)


def test_states_are_those_of_plain_loops(name: str, units: int, mask: Any) -> None:
    given = arguments(name, units)
    expected = plain_loops.layer(name, given[0], mask, given[1:])
    for shape, wanted in (((B, T, units), expected), ((B, units), expected[:, -1])):
        hidden, _ = run(name, given, mask, upstream(*shape))
        np.testing.assert_allclose(hidden, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sequences", [True, False], ids=["sequences", "last"])
def test_gradients_are_the_slopes_of_plain_loops(
    name: str, units: int, mask: Any, sequences: bool
) -> None:
    given = arguments(name, units)
    weights = upstream(B, T, units) if sequences else upstream(B, units)

    def loss(*given: Any) -> Any:
        hidden = plain_loops.layer(name, given[0], mask, given[1:])
        return np.sum((hidden if sequences else hidden[:, -1]) * weights)

    _, gradients = run(name, given, mask, weights)
    random = np.random.default_rng(5)
    for which, gradient in enumerate(gradients):
        direction = random.normal(size=gradient.shape)
        slope = plain_loops.slope(loss, given, which, direction)
        np.testing.assert_allclose(np.sum(gradient * direction), slope, rtol=1e-4, atol=1e-4)


def test_padding_is_not_read_and_gets_no_gradient(name: str, units: int, mask: Any) -> None:
    given = arguments(name, units)
    weights = upstream(B, T, units)
    hidden, gradients = run(name, given, mask, weights)
    given[0][~mask] = np.nan
    other_hidden, other_gradients = run(name, given, mask, weights)
    np.testing.assert_array_equal(hidden, other_hidden)
    for one, other in zip(gradients, other_gradients, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not gradients[0][~mask].any()


def test_what_is_exported_has_the_outputs_of_what_was_trained(
    name: str, units: int, mask: Any
) -> None:
    values, *weights = (tf.constant(value, tf.float32) for value in arguments(name, units))
    layers = [(KINDS[name], CellWeights(*weights))]
    trained, exported = (
        stock_layers.run_stock(layers, values, tf.constant(mask), "steps", is_exported=is_exported)
        for is_exported in (False, True)
    )
    np.testing.assert_allclose(exported, trained, rtol=1e-5, atol=1e-6)
