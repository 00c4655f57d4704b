"""Out of a graph that somebody else has made the default one."""

from __future__ import annotations

import tensorflow as tf

from rnn_core.graph.eager import eager_mode, eagerly


def test_operations_run_at_once_inside_of_a_graph() -> None:
    with tf.Graph().as_default():
        with eager_mode():
            assert int(tf.constant(1) + 1) == 2
        assert not tf.executing_eagerly()


def test_a_function_runs_at_once_wherever_it_is_called() -> None:
    @eagerly
    def add(one: int, other: int) -> int:
        return int(tf.constant(one) + other)

    assert add.__name__ == "add"
    assert add(1, other=2) == 3
    with tf.Graph().as_default():
        assert add(1, other=2) == 3
