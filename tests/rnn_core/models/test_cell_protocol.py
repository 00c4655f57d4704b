"""What is asked of a cell."""

from __future__ import annotations

from typing import Any

import keras
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.models import cell_protocol
from tests.rnn_core.cells import PlainCell


class Least:
    """``call`` and ``state_size``, and nothing else."""

    state_size = 3

    def call(self, inputs: Any, states: Any) -> Any:
        return inputs[:, :1] + states[0], states


@pytest.mark.parametrize("cell", [object(), type("Half", (), {"call": None})()])
def test_what_has_no_call_or_no_state_size_is_named(cell: Any) -> None:
    with pytest.raises(ArgumentError, match=r"without .*state_size"):
        cell_protocol.check_cell(cell)


@pytest.mark.parametrize(
    ("cell", "width"), [(keras.layers.LSTMCell(4), 4), (PlainCell(2), 2), (Least(), 3)]
)
def test_the_width_of_the_output_is_seen(cell: Any, width: int) -> None:
    assert cell_protocol.build(cell, 5) == width


def test_first_states_are_those_of_the_cell_or_zeros() -> None:
    total, count = cell_protocol.initial_states(PlainCell(2), tf.constant(4))
    assert total.numpy().tolist() == [[1, 1]] * 4
    assert count.numpy().tolist() == [[0]] * 4
    (zeros,) = cell_protocol.initial_states(Least(), tf.constant(2))
    assert zeros.numpy().tolist() == [[0, 0, 0]] * 2


def test_states_keep_their_structure() -> None:
    cell = PlainCell(1)
    states = cell_protocol.initial_states(cell, tf.constant(1))
    output, after = cell_protocol.call(cell, tf.constant([[2.0, 4.0]]), states, False)
    assert output.numpy().tolist() == [[4]]
    assert [one.numpy().tolist() for one in after] == [[[4]], [[1]]]


def test_a_cell_of_keras_forgets_its_dropout_masks() -> None:
    cell = keras.layers.LSTMCell(2, dropout=0.5)
    mask = cell.get_dropout_mask(tf.ones([1, 2]))
    assert cell.get_dropout_mask(tf.ones([1, 2])) is mask
    cell_protocol.forget_dropout(cell)
    assert cell.get_dropout_mask(tf.ones([1, 2])) is not mask


def test_a_layer_in_a_cell_takes_training_from_the_call() -> None:
    dropout = keras.layers.Dropout(0.5)

    class Dropping(Least):
        def call(self, inputs: Any, states: Any) -> Any:
            return dropout(inputs), states

    for training in (False, True):
        output, _ = cell_protocol.call(Dropping(), tf.ones([1, 99]), [tf.zeros([1, 3])], training)
        assert bool(tf.reduce_all(output == 1)) != training
