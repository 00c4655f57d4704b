"""Layers that are put together one by one."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, NetworkConfig
from rnn_core.config.run_config import USE_DEFAULT
from rnn_core.estimators.arguments import network_spec
from rnn_core.models.network import Network
from tests.rnn_core.cells import DenseCell
from tests.rnn_core.models.blocks.samples import ROW_LENGTHS, batch, network

WEIGHTS = ("kernel", "recurrent_kernel", "bias")
CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}
BOTH = NetworkConfig(bidirectional=True)


def logits(ours: Any, representation: Any) -> Any:
    kernel, bias = (ours.variables[f"rnn_model/logits/{name}"] for name in ("kernel", "bias"))
    return representation @ kernel + bias


def keras_layers(ours: Any, cell_type: str, units: Any) -> list[Any]:
    """Bidirectional layers of Keras with our weights."""
    layers, width, names = [], 3, [f"{cell_type}_cell", f"{cell_type}_cell_1"]
    for index, count in enumerate(units):
        is_last = index + 1 == len(units)
        made = keras.layers.Bidirectional(CELLS[cell_type](count, return_sequences=not is_last))
        made.build((None, None, width))
        made.set_weights(
            [
                ours.variables[f"rnn_model/rnn/{way}/stacked_rnn_cells/{names[index]}/{name}"]
                for way in ("forward", "backward")
                for name in WEIGHTS
            ]
        )
        width = 2 * count
        layers.append(made)
    return layers


@pytest.mark.parametrize("cell_type", CELLS)
def test_two_directions_are_those_of_keras(cell_type: str) -> None:
    ours = network(BOTH, units=[4, 3], cell_type=cell_type, context=False)
    layers = keras_layers(ours, cell_type, [4, 3])
    features = batch()
    found = ours(features).logits
    # Row by row: the masks of Keras need its own layers around them.
    for row, length in enumerate(ROW_LENGTHS):
        outputs = features["x"][row : row + 1, :length]
        for layer in layers:
            outputs = layer(outputs)
        np.testing.assert_allclose(found[row], logits(ours, outputs)[0], atol=1e-5)


def test_each_step_has_the_outputs_of_both_directions() -> None:
    ours = network(BOTH, context=False, sequences=True)
    layer = keras.layers.Bidirectional(keras.layers.GRU(4, return_sequences=True))
    layer.build((None, None, 3))
    layer.set_weights(
        [
            ours.variables[f"rnn_model/rnn/{way}/gru_cell/{name}"]
            for way in ("forward", "backward")
            for name in WEIGHTS
        ]
    )
    features = batch([4, 4])
    expected = logits(ours, layer(features["x"]))
    np.testing.assert_allclose(ours(features).logits, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("units", "scope"),
    [
        ([4], "rnn_model/rnn/{}/gru_cell"),
        (4, "rnn_model/gru/{}/gru_cell"),
        ([4, 3], "rnn_model/rnn/{}/stacked_rnn_cells/gru_cell_1"),
    ],
)
def test_variables_say_their_direction(units: Any, scope: str) -> None:
    names = network(BOTH, units=units).variables
    for way in ("forward", "backward"):
        assert f"{scope.format(way)}/recurrent_kernel" in names


def test_cells_of_ones_own_have_two_directions_too() -> None:
    settings = {"units": None, "cell_type": USE_DEFAULT, "context": False}
    ours = network(BOTH, rnn_cell_fn=lambda: DenseCell(4), **settings)
    forward, backward = (
        [value for name, value in ours.variables.items() if f"/{way}/" in name]
        for way in ("forward", "backward")
    )
    assert len(forward) == len(backward) == 2
    features = batch()
    before = ours(features).logits.numpy()
    # A single step is the same from either side, if the weights are.
    for one, other in zip(forward, backward, strict=True):
        other.assign(one)
    assert not np.allclose(ours(features).logits, before)
    kernel = ours.variables["rnn_model/logits/kernel"]
    kernel.assign(tf.concat([kernel[:4], -kernel[:4]], 0))
    bias = ours.variables["rnn_model/logits/bias"]
    found = ours(features).logits - bias
    assert ROW_LENGTHS[1] == 1
    np.testing.assert_allclose(found[1], np.zeros(3), atol=1e-6)
    assert np.abs(found[0]).max() > 1e-3


def test_two_layers_of_ones_own_cells_have_the_numbers_of_built_in_ones() -> None:
    features = batch()
    unset = {"units": None, "cell_type": USE_DEFAULT}
    config = NetworkConfig(bidirectional=True, layer_normalization=True)
    fast = network(config, units=[4, 3])
    slow = network(
        config,
        # A setting that is not the default, and does nothing without training.
        rnn_cell_fn=lambda: [keras.layers.GRUCell(units, dropout=0.1) for units in (4, 3)],
        **unset,
    )
    assert slow.variables.keys() == fast.variables.keys()
    for name, variable in slow.variables.items():
        variable.assign(fast.variables[name])
    np.testing.assert_allclose(slow(features).logits, fast(features).logits, atol=1e-5)


def test_outputs_are_normalized_as_in_keras() -> None:
    ours = network(NetworkConfig(layer_normalization=True), units=[4, 3], context=False)
    outputs = batch([5, 5])["x"]
    for index, units in enumerate([4, 3]):
        suffix = f"_{index}" if index else ""
        layer = keras.layers.GRU(units, return_sequences=True)
        layer.build(outputs.shape)
        scope = f"rnn_model/rnn/stacked_rnn_cells/gru_cell{suffix}"
        layer.set_weights([ours.variables[f"{scope}/{name}"] for name in WEIGHTS])
        norm = keras.layers.LayerNormalization()
        norm.build((None, None, units))
        scope = f"rnn_model/rnn/layer_normalization{suffix}"
        norm.set_weights([ours.variables[f"{scope}/{name}"] for name in ("gamma", "beta")])
        outputs = norm(layer(outputs))
    found = ours(batch([5, 5])).logits
    np.testing.assert_allclose(found, logits(ours, outputs[:, -1]), atol=1e-5)


def test_a_row_without_steps_has_the_logits_of_the_bias() -> None:
    ours = network(NetworkConfig(bidirectional=True, layer_normalization=True), context=False)
    found = ours(batch([3, 0])).logits[1]
    np.testing.assert_array_equal(found, ours.variables["rnn_model/logits/bias"])


def test_the_directions_start_with_other_weights() -> None:
    column = tf.feature_column.sequence_numeric_column("x", shape=(3,))
    choices: list[tuple[Any, Any, Any]] = [
        ([4], "gru", None),
        (None, USE_DEFAULT, lambda: DenseCell(4)),
    ]
    for units, kind, make in choices:
        made = Network(network_spec([column], None, units, kind, make, 3, "mask", False, BOTH), 7)
        name = next(one for one in made.variables if "/forward/" in one and "kernel" in one)
        other = made.variables[name.replace("/forward/", "/backward/")]
        assert not np.array_equal(made.variables[name], other)


def test_weights_are_dropped_from_built_in_cells_only() -> None:
    with pytest.raises(ArgumentError, match=r"recurrent_dropout works with .* cells of DenseCell"):
        network(
            NetworkConfig(recurrent_dropout=0.1),
            units=None,
            cell_type=USE_DEFAULT,
            rnn_cell_fn=lambda: DenseCell(4),
        )
