"""The network's variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.estimators.arguments import network_spec
from rnn_core.models.network import Network
from tests.rnn_core.samples import context_columns, same_bits, sequence_columns


def network(units: Any = (3,), cell_type: str = "gru", seed: int | None = 7) -> Network:
    columns = sequence_columns(), context_columns()
    return Network(network_spec(*columns, units, cell_type, None, 4, "sequence_mask"), seed)


@pytest.mark.parametrize(
    ("units", "cell_type", "scopes"),
    [
        ([3], "gru", ["rnn/gru_cell"]),
        ([3], "simple_rnn", ["rnn/simple_rnn_cell"]),
        (3, "lstm", ["lstm/lstm_cell"]),
        (
            [3, 2],
            "lstm",
            ["rnn/stacked_rnn_cells/lstm_cell", "rnn/stacked_rnn_cells/lstm_cell_1"],
        ),
    ],
)
def test_variables_have_the_names_of_tensorflow_2_15(
    units: Any, cell_type: str, scopes: list[str]
) -> None:
    layers = {
        f"rnn_model/{scope}/{name}"
        for scope in scopes
        for name in ("kernel", "recurrent_kernel", "bias")
    }
    assert set(network(units, cell_type).variables) == layers | {
        "rnn_model/logits/kernel",
        "rnn_model/logits/bias",
        "sequence_features/tokens_embedding/embedding_weights",
    }


def test_one_seed_gives_the_same_first_values_and_another_does_not() -> None:
    one, same, other = (
        {name: value.numpy() for name, value in network(seed=seed).variables.items()}
        for seed in (7, 7, 8)
    )
    assert same_bits(one, same)
    assert not np.array_equal(one["rnn_model/logits/kernel"], other["rnn_model/logits/kernel"])


def test_a_context_reaches_every_step(data: Any) -> None:
    model = network()
    features = data.features()
    changed = {**features, "context": features["context"] + 1.0}
    logits, mask, lengths = model(features)
    assert lengths.numpy().tolist() == data.lengths.tolist()
    assert logits.shape == (len(data.labels), 4)
    assert mask is None
    assert not np.array_equal(logits.numpy(), model(changed).logits.numpy())


def test_a_column_that_is_not_trainable_has_a_variable_that_is_not() -> None:
    tokens = tf.feature_column.sequence_categorical_column_with_identity("tokens", 5)
    frozen = tf.feature_column.embedding_column(tokens, 3, trainable=False)
    model = Network(network_spec([frozen], None, [3], "gru", None, 2, "mask"), 7)
    weights = model.variables["sequence_features/tokens_embedding/embedding_weights"]
    assert not weights.trainable
