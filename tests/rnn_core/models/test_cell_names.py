"""Names of cells and their weights in checkpoints."""

from __future__ import annotations

import keras
import pytest

from rnn_core.models.cell_protocol import UniqueNames, below, name_of, snake_case


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SimpleRNNCell", "simple_rnn_cell"),
        ("LSTMCell", "lstm_cell"),
        ("GRUCell", "gru_cell"),
        ("_Minimal2Cell", "minimal2_cell"),
    ],
)
def test_class_names_are_written_as_in_2_15(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_a_number_that_keras_gave_is_dropped_and_a_name_of_the_user_kept() -> None:
    assert [name_of(keras.layers.GRUCell(2)) for _ in range(2)] == ["gru_cell", "gru_cell"]
    assert name_of(keras.layers.GRUCell(2, name="mine_3")) == "mine_3"
    assert name_of(UniqueNames()) == "unique_names"


def test_a_name_is_numbered_from_its_second_use_on() -> None:
    names = UniqueNames()
    assert [names(name) for name in ("a", "b", "a", "a")] == ["a", "b", "a_1", "a_2"]


def test_layers_inside_of_a_cell_are_numbered_anew() -> None:
    names, known = UniqueNames(), dict[str, str]()
    paths = ["cell_4/dense_7/kernel", "cell_4/dense_7/bias", "cell_4/dense_9/kernel", "cell_4/b"]
    assert [below(path, names, known) for path in paths] == [
        "dense/kernel",
        "dense/bias",
        "dense_1/kernel",
        "b",
    ]
