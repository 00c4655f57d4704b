"""Poolings against layers of Keras and sums by hand."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, NetworkConfig
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.blocks import pooling
from rnn_core.models.blocks.pooling import Attention
from tests.rnn_core.models.blocks.samples import batch, network, randomize

LENGTHS = np.array([5, 1, 3, 0])
MASK = np.arange(6) < LENGTHS[:, np.newaxis]
OUTPUTS = np.random.default_rng(1).normal(size=(4, 6, 3)).astype(np.float32)


def pooled(name: Any, mask: Any = MASK, outputs: Any = OUTPUTS) -> Any:
    given = tf.constant(outputs), tf.constant(mask)
    if name == "attention":
        return Attention(3, VariableStore(1))(*given).numpy()
    return pooling.pooled(*given, name).numpy()


def test_a_mean_is_that_of_keras() -> None:
    # Keras divides by zero for a row without steps.
    expected = keras.layers.GlobalAveragePooling1D()(OUTPUTS[:3], mask=tf.constant(MASK[:3]))
    np.testing.assert_allclose(pooled("mean")[:3], expected, rtol=1e-6)


def test_a_maximum_is_that_of_keras_over_the_real_steps() -> None:
    layer = keras.layers.GlobalMaxPooling1D()
    for row, length in enumerate(LENGTHS[:3]):
        expected = layer(OUTPUTS[row : row + 1, :length])[0]
        np.testing.assert_array_equal(pooled("max")[row], expected)


def test_mean_and_maximum_are_side_by_side() -> None:
    both = np.concatenate([pooled("mean"), pooled("max")], 1)
    np.testing.assert_array_equal(pooled("mean_max"), both)


def test_attention_weighs_each_step_by_its_likeness_to_the_query() -> None:
    store = VariableStore(1)
    attention = Attention(3, store)
    randomize(store.variables)
    found = attention(tf.constant(OUTPUTS), tf.constant(MASK)).numpy()
    w, b, q = (
        store.variables[f"rnn_model/attention/{name}"].numpy().astype(float)
        for name in ("kernel", "bias", "query")
    )
    for row, length in enumerate(LENGTHS[:3]):
        steps = OUTPUTS[row, :length].astype(float)
        scores = np.exp(np.tanh(steps @ w + b) @ q)
        np.testing.assert_allclose(found[row], (scores * steps).sum(0) / scores.sum(), rtol=1e-5)


@pytest.mark.parametrize("name", ["mean", "max", "mean_max", "attention"])
def test_a_row_without_steps_has_zeros_and_padding_is_not_read(name: str) -> None:
    found = pooled(name)
    assert not found[3].any()
    other = np.where(MASK[:, :, np.newaxis], OUTPUTS, 100.0).astype(np.float32)
    np.testing.assert_array_equal(pooled(name, outputs=other), found)


@pytest.mark.parametrize("name", ["mean", "max", "mean_max", "attention"])
def test_gaps_between_real_steps_count_for_nothing(name: str) -> None:
    mask = np.array([[True, False, True, True, False, False]] * 4)
    kept = OUTPUTS[:, [0, 2, 3]]
    expected = pooled(name, np.ones((4, 3), bool), kept)
    np.testing.assert_allclose(pooled(name, mask), expected, rtol=1e-5, atol=1e-6)


def test_a_network_pools_the_outputs_of_its_last_layer() -> None:
    layers = [
        keras.layers.GRU(4, return_sequences=True),
        keras.layers.GRU(3, return_sequences=True),
    ]
    ours = network(NetworkConfig(pooling="mean_max"), units=[4, 3], context=False)
    features = batch([5, 5])
    outputs = features["x"]
    scope = "rnn_model/rnn/stacked_rnn_cells"
    for layer, cell in zip(layers, ("gru_cell", "gru_cell_1"), strict=True):
        layer.build(outputs.shape)
        names = ("kernel", "recurrent_kernel", "bias")
        layer.set_weights([ours.variables[f"{scope}/{cell}/{name}"] for name in names])
        outputs = layer(outputs)
    together = tf.concat([tf.reduce_mean(outputs, 1), tf.reduce_max(outputs, 1)], 1)
    kernel, bias = (ours.variables[f"rnn_model/logits/{name}"] for name in ("kernel", "bias"))
    np.testing.assert_allclose(ours(features).logits, together @ kernel + bias, atol=1e-5)


def test_pooling_is_refused_where_each_step_is_an_output() -> None:
    with pytest.raises(ArgumentError, match=r"network: expected no pooling.*got pooling='max'"):
        network(NetworkConfig(pooling="max"), sequences=True)
