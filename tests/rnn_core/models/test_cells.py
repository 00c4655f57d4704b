"""The weights of cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.models import cells


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("simple_rnn", [(2, 3), (3, 3), (3,)]),
        ("lstm", [(2, 12), (3, 12), (12,)]),
        ("gru", [(2, 9), (3, 9), (2, 9)]),
    ],
)
def test_weights_have_the_shapes_of_keras_2(name: str, shapes: list[Any]) -> None:
    made: dict[str, Any] = {}

    def create(name: str, shape: Any, initializer: Any) -> tf.Variable:
        made[name] = initializer(shape, np.random.default_rng(0))
        return tf.Variable(made[name])

    cells.create_weights(cells.KINDS[name], "scope", 2, 3, create)
    assert list(made) == ["scope/kernel", "scope/recurrent_kernel", "scope/bias"]
    assert [value.shape for value in made.values()] == shapes


def test_only_the_forget_gate_of_an_lstm_starts_with_a_bias() -> None:
    random = np.random.default_rng(0)
    lstm = cells.KINDS["lstm"].initial_bias((8,), random)
    assert lstm.tolist() == [0, 0, 1, 1, 0, 0, 0, 0]
    assert not cells.KINDS["gru"].initial_bias((2, 6), random).any()
