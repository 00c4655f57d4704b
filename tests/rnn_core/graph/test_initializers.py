"""First values of variables."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core.graph import initializers


def test_one_seed_and_name_give_the_same_numbers() -> None:
    one, other = (initializers.generator("a/kernel", 7).random(3) for _ in range(2))
    assert one.tolist() == other.tolist()


@pytest.mark.parametrize(("name", "seed"), [("b/kernel", 7), ("a/kernel", 8), ("a/kernel", None)])
def test_another_seed_or_name_gives_other_numbers(name: str, seed: int | None) -> None:
    one = initializers.generator("a/kernel", 7).random(3)
    assert one.tolist() != initializers.generator(name, seed).random(3).tolist()


@pytest.mark.parametrize("shape", [(3, 5), (5, 3), (4, 4)])
def test_orthogonal_has_orthonormal_rows_or_columns(shape: tuple[int, int]) -> None:
    matrix = initializers.orthogonal(shape, np.random.default_rng(0))
    product = matrix @ matrix.T if shape[0] < shape[1] else matrix.T @ matrix
    np.testing.assert_allclose(product, np.eye(min(shape)), atol=1e-6)


def test_glorot_uniform_fills_its_interval() -> None:
    matrix = initializers.glorot_uniform((30, 70), np.random.default_rng(0))
    limit = np.sqrt(6 / 100)
    assert np.abs(matrix).max() <= limit
    assert np.abs(matrix).max() > 0.99 * limit


def test_a_column_initializer_without_a_seed_gets_the_one_of_the_run() -> None:
    column = tf.feature_column
    tokens = column.sequence_categorical_column_with_identity("tokens", 5)
    initialize = initializers.from_column(column.embedding_column(tokens, 3).initializer)
    values = [
        np.asarray(initialize((5, 3), initializers.generator("e", seed))) for seed in (1, 1, 2)
    ]
    assert values[0].tobytes() == values[1].tobytes()
    assert values[0].tobytes() != values[2].tobytes()


def test_a_column_initializer_with_a_seed_keeps_it() -> None:
    initialize = initializers.from_column(keras.initializers.RandomNormal(seed=3))
    one, other = (
        np.asarray(initialize((5, 3), initializers.generator("e", seed))) for seed in (1, 2)
    )
    assert one.tobytes() == other.tobytes()


def test_the_seed_of_the_process_changes_no_first_value() -> None:
    initialize = initializers.from_column(tf.compat.v1.truncated_normal_initializer())
    drawn = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        drawn.append(initialize((3, 2), initializers.generator("w", 7)))
    first, second = drawn
    np.testing.assert_array_equal(first, second)


def test_a_column_initializer_gives_values_in_a_graph_too() -> None:
    initialize = initializers.from_column(tf.compat.v1.truncated_normal_initializer())
    eager = initialize((3, 2), initializers.generator("w", 7))
    with tf.Graph().as_default():
        in_graph = initialize((3, 2), initializers.generator("w", 7))
    np.testing.assert_array_equal(in_graph, eager)
