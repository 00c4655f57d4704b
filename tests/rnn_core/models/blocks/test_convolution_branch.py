"""Convolutions beside the recurrent layers, against layers of Keras."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, ConvolutionLayer, NetworkConfig
from tests.rnn_core.models.blocks.samples import ROW_LENGTHS, F, batch, network

LSTM_FCN = NetworkConfig(
    convolution_branch=(ConvolutionLayer(6, 8), ConvolutionLayer(7, 5), ConvolutionLayer(6, 3)),
)


def weighted(layer: Any, variables: Any, scope: str, names: tuple[str, ...], width: int) -> Any:
    layer.build((None, None, width))
    layer.set_weights([variables[f"rnn_model/{scope}/{name}"] for name in names])
    return layer


def test_it_is_lstm_fcn_of_keras_with_normalized_steps() -> None:
    ours = network(LSTM_FCN, cell_type="lstm", context=False)
    variables, width = ours.variables, F
    blocks = []
    for index, layer in enumerate(LSTM_FCN.convolution_branch):
        suffix = f"_{index}" if index else ""
        scope = f"convolution_branch/conv1d{suffix}"
        made = keras.layers.Conv1D(layer.filters, layer.kernel_steps, padding="same")
        blocks.append(weighted(made, variables, scope, ("kernel", "bias"), width))
        width = layer.filters
        norm, scope = (
            keras.layers.LayerNormalization(),
            scope.replace("conv1d", "layer_normalization"),
        )
        blocks.append(weighted(norm, variables, scope, ("gamma", "beta"), width))
        blocks.append(keras.layers.ReLU())
    branch = keras.Sequential([*blocks, keras.layers.GlobalAveragePooling1D()])
    lstm, names = keras.layers.LSTM(4), ("kernel", "recurrent_kernel", "bias")
    lstm = weighted(lstm, variables, "rnn/lstm_cell", names, F)
    features = batch()
    found = ours(features).logits
    # Row by row: convolutions of Keras know no masks.
    for row, length in enumerate(ROW_LENGTHS):
        steps = features["x"][row : row + 1, :length]
        together = tf.concat([lstm(steps), branch(steps)], 1)
        expected = together @ variables["rnn_model/logits/kernel"]
        expected += variables["rnn_model/logits/bias"]
        np.testing.assert_allclose(found[row], expected[0], atol=1e-5)


def test_it_reads_what_the_front_end_leaves() -> None:
    config = NetworkConfig(
        front_end=(ConvolutionLayer(5, 2, 2),), convolution_branch=LSTM_FCN.convolution_branch
    )
    variables = network(config).variables
    assert variables["rnn_model/convolution_branch/conv1d/kernel"].shape == (8, 5, 6)
    assert variables["rnn_model/logits/kernel"].shape[0] == 4 + 6


def test_a_row_without_steps_has_the_logits_of_the_bias() -> None:
    ours = network(LSTM_FCN, context=False)
    np.testing.assert_array_equal(
        ours(batch([3, 0])).logits[1], ours.variables["rnn_model/logits/bias"]
    )


def test_it_is_refused_where_each_step_is_an_output() -> None:
    with pytest.raises(ArgumentError, match=r"no convolution_branch with .* got 3 convolutions"):
        network(LSTM_FCN, sequences=True)
