"""Variables are found wherever a cell keeps them."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.cell_protocol import UniqueNames
from rnn_core.models.own_cells import variables
from rnn_core.models.own_cells.variables import NewVariables
from rnn_core.models.recurrent_layers import create_layers
from tests.rnn_core.cells import DenseCell, PlainCell
from tests.rnn_core.models.own_cells import samples

T, B, F, H = 5, 2, 2, samples.H
RNN = "rnn_model/rnn/"
MASK = tf.sequence_mask([5, 2], T)
VALUES = tf.constant(np.random.default_rng(2).normal(size=(B, T, F)), tf.float32)
DENSE = {"dense/kernel", "dense/bias"}
HIDDEN = {"gain", "more/0", "more/1/a_b"}


def made(make: Any) -> tuple[Any, VariableStore]:
    store = VariableStore(3)
    return create_layers(make, False, F, store), store


def below(name: str, names: set[str]) -> set[str]:
    return {f"{name}/{one}" for one in names}


CASES = {
    "plain": (samples.Hidden, DENSE | below("hidden", HIDDEN)),
    "nested": (samples.Nested, DENSE | below("nested/part", HIDDEN)),
    "layer": (
        samples.HiddenLayer,
        below("hidden_layer", DENSE | below("inner", HIDDEN) | {"calls"}),
    ),
    "module": (
        samples.HiddenModule,
        DENSE | below("hidden_module", {"Variable", "Variable_1", "Variable_2"}),
    ),
    "lazy": (samples.Lazy, below("lazy", {"kernel", "calls"})),
    "closure": (samples.closure, DENSE | below("enclosed", {"gain", "GLOBAL"})),
    "sharing": (samples.sharing, {"stacked_rnn_cells/sharing/gain"}),
    "initial state": (samples.InitialState, DENSE | below("initial_state", HIDDEN | {"first"})),
    "stack": (
        lambda: [samples.Hidden(), samples.Hidden()],
        below(
            "stacked_rnn_cells",
            DENSE
            | {"dense_1/kernel", "dense_1/bias"}
            | below("hidden", HIDDEN)
            | below("hidden_1", HIDDEN),
        ),
    ),
    "one cell twice": (
        lambda: [keras.layers.SimpleRNNCell(F)] * 2,
        below("stacked_rnn_cells/simple_rnn_cell", {"kernel", "recurrent_kernel", "bias"}),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_variable_has_one_name_the_same_in_every_model(case: str) -> None:
    make, names = CASES[case]
    for _ in range(2):
        layers, store = made(make)
        assert set(store.variables) == {RNN + name for name in names}
        counters = {name for name in store.variables if name.endswith("calls")}
        assert set(store.variables) - set(store.trainable) == counters
        assert set(layers.written) == counters
        weights = list(store.trainable.values())
        with tf.GradientTape() as tape:
            outputs = layers(VALUES, MASK, tf.constant(0, tf.int64), "steps")
            loss = tf.reduce_sum(outputs**2)
        assert all(gradient is not None for gradient in tape.gradient(loss, weights))


@pytest.mark.parametrize("make", [samples.HiddenLayer, samples.Lazy])
def test_what_a_cell_counts_is_counted_once_a_step_of_a_training_alone(make: Any) -> None:
    layers, store = made(make)
    (counter,) = (store.variables[name] for name in layers.written)
    start = tf.constant(0, tf.int64)
    train = tf.function(lambda: layers(VALUES, MASK, start, "steps"), autograph=False)
    measure = tf.function(lambda: layers(VALUES, MASK, None, "steps"), autograph=False)
    assert counter.numpy() == 0
    train()
    measure()
    train()
    assert counter.numpy() == 2 * T


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        (keras.layers.GRUCell(2), {"kernel", "recurrent_kernel", "bias"}),
        (PlainCell(2), {"scale"}),
    ],
)
def test_what_a_cell_lists_is_kept(cell: Any, names: set[str]) -> None:
    found = variables.find(cell, 3, NewVariables(), UniqueNames())
    assert {weight.name.rpartition("/")[2] for weight in found.weights} == names
    assert all(weight.trainable for weight in found.weights)
    assert found.written == []


def test_only_a_cell_with_dropout_has_a_seed() -> None:
    cells = [keras.layers.LSTMCell(2, dropout=0.5), DenseCell(2)]
    found = [variables.find(cell, 3, NewVariables(), UniqueNames()) for cell in cells]
    assert [len(one.seeds) for one in found] == [1, 0]


def test_a_frozen_layer_freezes_what_it_hides() -> None:
    _, store = made(lambda: samples.HiddenLayer(trainable=False))
    assert len(store.variables) == 6
    assert not store.trainable


def test_a_variable_of_each_call_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"EachCall: makes a variable .* Make it once"):
        made(samples.EachCall)


def test_a_variable_that_no_attribute_leads_to_has_its_own_name() -> None:
    class Counting(PlainCell):
        def __init__(self, units: int) -> None:
            super().__init__(units)
            self.counters = itertools.repeat(tf.Variable(0.0, name="counter"))

        def call(self, inputs: Any, states: Any) -> Any:
            next(self.counters).assign_add(1.0)
            return super().call(inputs, states)

    layers, store = made(lambda: Counting(2))
    assert set(store.variables) == {RNN + "counting/scale", RNN + "counting/counter"}
    assert list(layers.written) == [RNN + "counting/counter"]
