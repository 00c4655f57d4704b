"""Dense layers in front of the logits."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import NetworkConfig
from rnn_core.estimators.arguments import network_spec
from rnn_core.models.network import Network
from tests.rnn_core.models.blocks.samples import C, batch, network


@pytest.mark.parametrize("sequences", [False, True])
def test_dense_layers_read_the_representation_and_the_context(sequences: bool) -> None:
    config = NetworkConfig(context="head", hidden_units=(5, 4))
    made = network(config, sequences=sequences)
    names = [name for name in made.variables if "/hidden/" in name]
    assert [(name, tuple(made.variables[name].shape)) for name in names] == [
        ("rnn_model/hidden/dense/kernel", (4 + C, 5)),
        ("rnn_model/hidden/dense/bias", (5,)),
        ("rnn_model/hidden/dense_1/kernel", (5, 4)),
        ("rnn_model/hidden/dense_1/bias", (4,)),
    ]
    plain = network(NetworkConfig(context="head"), sequences=sequences)
    for name, variable in plain.variables.items():
        if "logits" not in name:
            variable.assign(made.variables[name])
    # The logits as the identity of the representation and the context beside it.
    features, eye = batch(), np.eye(4 + C, dtype=np.float32)
    parts = []
    for column in range(0, 4 + C, 3):
        plain.variables["rnn_model/logits/kernel"].assign(eye[:, column : column + 3])
        plain.variables["rnn_model/logits/bias"].assign(np.zeros(3))
        parts.append(plain(features).logits)
    values = tf.concat(parts, -1)
    for scope in ("hidden/dense", "hidden/dense_1", "logits"):
        kernel, bias = (made.variables[f"rnn_model/{scope}/{one}"] for one in ("kernel", "bias"))
        values = tf.tensordot(values, kernel, 1) + bias
        values = values if scope == "logits" else tf.nn.relu(values)
    np.testing.assert_allclose(made(features).logits, values, atol=1e-5)


def test_the_context_reaches_the_logits_through_dense_layers_from_the_start() -> None:
    # Without dense layers the context begins with weights of zero; a dense layer's are drawn.
    column = tf.feature_column.sequence_numeric_column("x", shape=(3,))
    beside = tf.feature_column.numeric_column("c", shape=(C,))
    for units, starts_at_zero in (((), True), ((5,), False)):
        config = NetworkConfig(context="head", hidden_units=units)
        spec = network_spec([column], [beside], [4], "gru", None, 3, "mask", False, config)
        made, features = Network(spec, 7), batch()
        moved = {**features, "c": features["c"] + 1.0}
        is_same = np.array_equal(made(features).logits, made(moved).logits)
        assert is_same == starts_at_zero
