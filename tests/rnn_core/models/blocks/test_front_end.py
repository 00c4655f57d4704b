"""Convolutions against those of Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, ConvolutionLayer, NetworkConfig
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks.front_end import Convolutions
from tests.rnn_core.models.blocks.samples import F, batch, network, randomize

T = 8
VALUES = np.random.default_rng(3).normal(size=(4, T, F)).astype(np.float32)


def convolved(layers: Any, lengths: Any, normalized: bool = False) -> tuple[Any, Any, Any]:
    store = VariableStore(1)
    made = Convolutions(layers, "front", F, normalized, store)
    randomize(store.variables)
    steps, left = made(tf.constant(VALUES), tf.constant(lengths, tf.int32))
    return steps.numpy(), left.numpy().tolist(), store.variables


def weights(layer: Any, variables: Any, scope: str, names: tuple[str, ...], width: int) -> Any:
    layer.build((None, None, width))
    layer.set_weights([variables[f"front/{scope}/{name}"] for name in names])
    return layer


@pytest.mark.parametrize("normalized", [False, True])
def test_full_rows_are_those_of_keras(normalized: bool) -> None:
    # T is a multiple of the strides: there the padding of Keras, too, is that of each step.
    layers = [ConvolutionLayer(5, 4, 2), ConvolutionLayer(4, 2, 2), ConvolutionLayer(3, 3)]
    found, lengths, variables = convolved(layers, [T] * 4, normalized)
    values, width = tf.constant(VALUES), F
    for index, layer in enumerate(layers):
        suffix = f"_{index}" if index else ""
        made = keras.layers.Conv1D(layer.filters, layer.kernel_steps, layer.stride, padding="same")
        values = weights(made, variables, f"conv1d{suffix}", ("kernel", "bias"), width)(values)
        width = layer.filters
        if normalized:
            norm, scope = keras.layers.LayerNormalization(), f"layer_normalization{suffix}"
            values = weights(norm, variables, scope, ("gamma", "beta"), width)(values)
        values = tf.nn.relu(values)
    assert lengths == [T // 4] * 4
    np.testing.assert_allclose(found, values, atol=1e-5)


def test_a_row_that_ends_is_that_of_a_batch_as_long() -> None:
    layers = [ConvolutionLayer(5, 5, 2), ConvolutionLayer(3, 3, 3)]
    found, lengths, variables = convolved(layers, [8, 5, 1, 0], normalized=True)
    assert lengths == [2, 1, 1, 0]
    store = VariableStore(1)
    made = Convolutions(layers, "front", F, True, store)
    for name, variable in store.variables.items():
        variable.assign(variables[name])
    for row, length in enumerate([8, 5, 1]):
        alone, _ = made(tf.constant(VALUES[row : row + 1, :length]), tf.constant([length]))
        np.testing.assert_allclose(found[row, : lengths[row]], alone[0], atol=1e-5)
        assert not found[row, lengths[row] :].any()
    assert not found[3].any()


def test_a_network_reads_what_is_left_of_the_steps() -> None:
    config = NetworkConfig(front_end=(ConvolutionLayer(6, 2, 2),))
    made = network(config, context=False)
    assert made.variables["rnn_model/front_end/conv1d/kernel"].shape == (2, F, 6)
    assert made.variables["rnn_model/rnn/gru_cell/kernel"].shape == (6, 12)
    features = batch([6, 6])
    kernel, bias = (
        made.variables[f"rnn_model/front_end/conv1d/{name}"] for name in ("kernel", "bias")
    )
    frames = tf.reshape(features["x"], [2, 3, 2 * F])
    convolved = tf.nn.relu(frames @ tf.reshape(kernel, [2 * F, 6]) + bias)
    layer = keras.layers.GRU(4)
    layer.build((None, None, 6))
    scope = "rnn_model/rnn/gru_cell"
    names = ("kernel", "recurrent_kernel", "bias")
    layer.set_weights([made.variables[f"{scope}/{name}"] for name in names])
    expected = layer(convolved) @ made.variables["rnn_model/logits/kernel"]
    found = made(features).logits - made.variables["rnn_model/logits/bias"]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_without_a_stride_each_step_has_its_output_where_it_stands() -> None:
    made = network(NetworkConfig(front_end=(ConvolutionLayer(6, 3),)), sequences=True)
    dense = batch([3, 3])
    gaps = [1, 2, 4]
    features = {
        "c": dense["c"],
        "x": tf.gather(tf.pad(dense["x"], [[0, 0], [0, 1], [0, 0]]), [3, 0, 1, 3, 2], axis=1),
        "mask": tf.constant([[step in gaps for step in range(5)]] * 2),
    }
    found = tf.gather(made(features).logits, gaps, axis=1)
    np.testing.assert_allclose(found, made(dense).logits, atol=1e-5)


def test_a_stride_is_refused_where_each_step_is_an_output() -> None:
    config = NetworkConfig(front_end=(ConvolutionLayer(6, 3, 2),))
    with pytest.raises(ArgumentError, match=r"without a stride with .* got the stride 2"):
        network(config, sequences=True)
