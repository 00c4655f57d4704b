"""Which layers take the fast path, and what their variables are called."""

from __future__ import annotations

from typing import Any

import keras
import pytest

from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.custom_cells import CustomCellLayers
from rnn_core.models.recurrent_layers import BuiltInLayers, create_layers

LSTM, GRU, SIMPLE = keras.layers.LSTMCell, keras.layers.GRUCell, keras.layers.SimpleRNNCell


@pytest.mark.parametrize(
    ("make", "scopes"),
    [
        (lambda: LSTM(3), ["lstm_cell"]),
        (lambda: LSTM(3, name="mine"), ["mine"]),
        (lambda: [LSTM(3)], ["stacked_rnn_cells/lstm_cell"]),
        (
            lambda: keras.layers.StackedRNNCells([GRU(3), GRU(2), SIMPLE(2)]),
            [f"stacked_rnn_cells/{name}" for name in ("gru_cell", "gru_cell_1", "simple_rnn_cell")],
        ),
        (lambda: keras.layers.StackedRNNCells([GRU(3)], name="tower"), ["tower/gru_cell"]),
    ],
)
def test_cells_of_keras_with_their_defaults_are_built_in(make: Any, scopes: list[str]) -> None:
    store = VariableStore(1)
    made = create_layers(make, False, 2, store)
    assert isinstance(made, BuiltInLayers)
    weights = ("kernel", "recurrent_kernel", "bias")
    assert list(store.variables) == [f"rnn_model/rnn/{s}/{w}" for s in scopes for w in weights]


@pytest.mark.parametrize(
    "make",
    [
        lambda: GRU(3, reset_after=False),
        lambda: LSTM(3, unit_forget_bias=False),
        lambda: SIMPLE(3, activation="relu"),
        lambda: LSTM(3, dropout=0.1),
    ],
)
def test_cells_with_other_settings_are_not(make: Any) -> None:
    store = VariableStore(1)
    assert isinstance(create_layers(make, False, 2, store), CustomCellLayers)
    assert all(name.startswith("rnn_model/rnn/") for name in store.variables)
