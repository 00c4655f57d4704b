"""Recurrent layers out of any cells."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.graph.variable_store import VariableStore
from rnn_core.models.custom_cells import CustomCellLayers
from rnn_core.models.recurrent_layers import BuiltInLayers, create_layers
from tests.rnn_core.cells import DenseCell, PlainCell

T, B, F, H = 5, 3, 2, 4
LENGTHS = np.array([5, 2, 0])
VALUES = np.random.default_rng(2).normal(size=(B, T, F)).astype(np.float32)
MASK = tf.sequence_mask(LENGTHS, T)


def layers(make: Any, seed: int | None = 3) -> tuple[Any, VariableStore]:
    store = VariableStore(seed)
    return create_layers(make, False, F, store), store


def run(made: Any, step: int | None = None) -> Any:
    training_step = None if step is None else tf.constant(step, tf.int64)
    traced = tf.function(lambda x: made(x, MASK, training_step, "steps"), autograph=False)
    return traced(tf.constant(VALUES)).numpy()


@pytest.mark.parametrize("cell_type", [keras.layers.LSTMCell, keras.layers.GRUCell])
def test_the_generic_loop_gives_the_numbers_and_gradients_of_the_fast_one(cell_type: Any) -> None:
    fast, fast_store = layers(lambda: [cell_type(H), cell_type(3)])
    store = VariableStore(4)
    slow = CustomCellLayers(
        [cell_type(H), cell_type(3)], "rnn_model/rnn/stacked_rnn_cells", F, store.adopt
    )
    assert isinstance(fast, BuiltInLayers)
    assert set(store.variables) == set(fast_store.variables)
    found = []
    for made, kept in ((fast, fast_store), (slow, store)):
        for name, variable in kept.variables.items():
            variable.assign(fast_store.variables[name])
        weights = [kept.variables[name] for name in sorted(kept.variables)]
        with tf.GradientTape() as tape:
            outputs = made(tf.constant(VALUES), MASK, None, "steps")
            loss = tf.reduce_sum(outputs**2)
        found.append([outputs, *tape.gradient(loss, weights)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_states_and_outputs_are_carried_over_padding_and_start_as_the_cell_says() -> None:
    made, store = layers(lambda: PlainCell(H))
    found = run(made)[:, :, 0]
    expected = 1 + 0.5 * np.cumsum(VALUES.sum(2), 1)
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-4)
    np.testing.assert_allclose(found[1, 1:], [expected[1, 1]] * 4, rtol=1e-4)
    assert not found[2].any(), "a row without steps has the output zero"
    assert list(store.trainable) == ["rnn_model/rnn/plain_cell/scale"]


def test_layers_of_a_cell_are_named_alike_in_every_model() -> None:
    names = [sorted(layers(lambda: [DenseCell(H), DenseCell(2)])[1].variables) for _ in range(2)]
    assert names[0] == names[1]
    scope = "rnn_model/rnn/stacked_rnn_cells"
    assert names[0] == [
        f"{scope}/dense_cell/dense/bias",
        f"{scope}/dense_cell/dense/kernel",
        f"{scope}/dense_cell_1/dense/bias",
        f"{scope}/dense_cell_1/dense/kernel",
    ]


def test_one_seed_gives_the_same_first_values_and_leaves_pythons_generator_alone() -> None:
    random.seed(1)
    before = random.getstate()
    one, same, other = (
        [value.numpy() for value in layers(lambda: DenseCell(H), seed)[1].variables.values()]
        for seed in (3, 3, 4)
    )
    assert random.getstate() == before
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.slow
def test_dropout_is_drawn_in_training_only_and_again_the_same_for_the_same_step() -> None:
    def make() -> Any:
        cells = [keras.layers.LSTMCell(H, dropout=0.5, recurrent_dropout=0.3) for _ in range(2)]
        return keras.layers.StackedRNNCells(cells)

    made, store = layers(make)
    assert isinstance(made, CustomCellLayers)
    assert not any("seed" in name for name in store.variables)
    np.testing.assert_array_equal(run(made), run(made))
    first = run(made, 1)
    assert not np.array_equal(first, run(made))
    assert not np.array_equal(first, run(made, 2))
    np.testing.assert_array_equal(first, run(made, 1))
    np.testing.assert_array_equal(first, run(layers(make)[0], 1))


def test_a_weight_that_is_frozen_is_not_trained() -> None:
    _, store = layers(lambda: DenseCell(H, trainable=False))
    assert store.variables
    assert not store.trainable


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (object, "object without call and state_size"),
        (list, "at least one cell"),
        (lambda: [PlainCell(2), 3], "int without call"),
        (lambda: keras.layers.Dense(2), "Dense without state_size"),
    ],
)
def test_what_is_no_cell_is_named(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        layers(make)


def test_a_cell_that_cannot_be_called_says_what_is_expected() -> None:
    class Wrong(PlainCell):
        def call(self, inputs: Any, states: Any) -> Any:
            raise ValueError("no")

    with pytest.raises(ArgumentError, match=r"Wrong: expected a cell whose call\(inputs \[B, 2\]"):
        layers(lambda: Wrong(2))
