"""The seed of what an input draws without a seed of its own."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core.loops.input_seed import new_seed, seeded

pytestmark = pytest.mark.slow


def order(seed: int | None) -> tuple[list[int], int | None]:
    """Two epochs in the order of a shuffle, and the seed in effect."""
    with seeded(seed) as used:
        dataset = tf.data.Dataset.range(20).shuffle(20).repeat(2)
    return [int(row) for row in dataset.as_numpy_iterator()], used


def test_one_seed_gives_one_order() -> None:
    assert order(5) == order(5)
    assert order(5)[0] != order(6)[0]
    assert order(None)[0] != order(None)[0]


def test_the_program_has_no_seed_afterwards() -> None:
    order(5)
    draws = [float(tf.random.uniform([])) for _ in range(2)]
    order(5)
    assert draws != [float(tf.random.uniform([])) for _ in range(2)]


def test_a_seed_of_the_program_stays() -> None:
    tf.random.set_seed(1)
    expected = float(tf.random.uniform([]))
    tf.random.set_seed(1)
    with seeded(5) as used:
        assert used is None
    assert float(tf.random.uniform([])) == expected


def test_a_seed_that_an_input_fn_sets_stays() -> None:
    with seeded(5):
        tf.random.set_seed(1)
    first = float(tf.random.uniform([]))
    tf.random.set_seed(1)
    assert float(tf.random.uniform([])) == first


def test_a_seed_of_the_run_gives_one_for_each_start() -> None:
    assert new_seed(7, 0, 1) == new_seed(7, 0, 3)
    assert new_seed(7, 0, 1) != new_seed(7, 100, 1)
    assert new_seed(7, 0, 1) != new_seed(8, 0, 1)


def test_without_one_it_is_fresh_and_many_workers_share_none() -> None:
    assert new_seed(None, 0, 1) != new_seed(None, 0, 1)
    assert new_seed(None, 0, 2) is None
