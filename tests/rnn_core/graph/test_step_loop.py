"""Batches are worked on in one graph, as many as wanted or as there are."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from rnn_core.graph.step_loop import run_steps, with_next


@tf.function(autograph=False)
def added(iterator: Any, count: tf.Tensor) -> Any:
    """How many numbers of ``iterator`` there were, their sum, and the last one."""

    def step(state: dict[str, tf.Tensor]) -> Any:
        def add(number: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"sum": state["sum"] + number, "last": number}

        return with_next(iterator, add, state)

    return run_steps(step, count, {"sum": tf.constant(0), "last": tf.constant(-1)})


@pytest.mark.parametrize(
    ("count", "expected"),
    [(0, (0, 0, -1)), (2, (2, 3, 2)), (3, (3, 6, 3)), (9, (3, 6, 3))],
)
def test_it_ends_with_the_count_or_with_the_batches(
    count: int, expected: tuple[int, int, int]
) -> None:
    iterator = iter(tf.data.Dataset.from_tensor_slices([1, 2, 3]))
    done, state = added(iterator, tf.constant(count))
    assert (int(done), int(state["sum"]), int(state["last"])) == expected


def test_it_goes_on_where_it_ended() -> None:
    iterator = iter(tf.data.Dataset.from_tensor_slices([1, 2, 3]))
    added(iterator, tf.constant(2))
    done, state = added(iterator, tf.constant(2))
    assert (int(done), int(state["sum"])) == (1, 3)
