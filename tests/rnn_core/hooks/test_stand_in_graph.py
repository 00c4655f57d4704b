"""The graph that session hooks believe in."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import UnsupportedError
from rnn_core.hooks.stand_in_graph import StandInGraph

v1 = tf.compat.v1


@pytest.fixture
def live() -> dict[str, tf.Variable]:
    return {
        "global_step": tf.Variable(3, dtype=tf.int64),
        "a/kernel": tf.Variable([1.0, 2.0]),
        "a/slot": tf.Variable([0.0], trainable=False),
    }


def test_the_graph_has_what_a_graph_of_2_15_had(live: dict[str, tf.Variable]) -> None:
    with StandInGraph(live).graph.as_default() as graph:
        names = ["global_step:0", "a/kernel:0", "a/slot:0"]
        assert [one.name for one in v1.global_variables()] == names
        assert [one.name for one in v1.trainable_variables()] == ["a/kernel:0"]
        assert v1.train.get_global_step().op.name == "global_step"
        assert graph.get_tensor_by_name("loss:0").shape == []
        (loss,) = v1.losses.get_losses()
        assert loss.name == "head/losses/weighted_loss/value:0"


def test_what_is_computed_from_stand_ins_has_the_live_values(live: dict[str, tf.Variable]) -> None:
    stand_in = StandInGraph(live)
    with stand_in.graph.as_default():
        total = tf.reduce_sum(v1.trainable_variables()[0]) * stand_in.loss
        scaled = v1.cond(total > 0.0, lambda: total * 2.0, lambda: total)
    stand_in.finish()
    for kernel, expected in (([1.0, 2.0], 3.0), ([5.0, 5.0], 10.0)):
        live["a/kernel"].assign(kernel)
        assert stand_in.values([total, scaled], {stand_in.loss: 1.0}) == [expected, 2 * expected]
    assert stand_in.needs_loss(scaled)
    assert not stand_in.needs_loss(stand_in.element("a/kernel"))


def test_only_what_is_fetched_is_run(live: dict[str, tf.Variable]) -> None:
    stand_in = StandInGraph(live)
    with stand_in.graph.as_default():
        kernel = v1.trainable_variables()[0]
        double = v1.assign(kernel, kernel * 2.0)
        zero = v1.assign(kernel, kernel * 0.0).op
        both = tf.group(double.op, v1.assign_add(v1.train.get_global_step(), 1).op)
    stand_in.finish()
    np.testing.assert_array_equal(stand_in.values([stand_in.element(double)], {})[0], [2.0, 4.0])
    assert stand_in.values([both], {}) == [None]
    assert live["global_step"].numpy() == 4
    np.testing.assert_array_equal(live["a/kernel"].numpy(), [4.0, 8.0])
    assert stand_in.values([zero], {}) == [None]
    np.testing.assert_array_equal(live["a/kernel"].numpy(), [0.0, 0.0])


def test_variables_of_hooks_live_from_their_initial_values(live: dict[str, tf.Variable]) -> None:
    stand_in = StandInGraph(live)
    with stand_in.graph.as_default():
        counter = v1.get_variable("counter", initializer=5.0)
        local = v1.get_local_variable("local", [2], initializer=v1.ones_initializer())
        count = v1.assign_add(counter, 1.0)
    stand_in.finish()
    assert [stand_in.values([stand_in.element(count)], {})[0] for _ in range(2)] == [6.0, 7.0]
    elements = [stand_in.element(counter), stand_in.element(local)]
    np.testing.assert_array_equal(stand_in.values(elements, {})[1], [1.0, 1.0])
    assert "counter" not in live


def test_nothing_is_added_after_begin(live: dict[str, tf.Variable]) -> None:
    stand_in = StandInGraph(live)
    stand_in.finish()
    with stand_in.graph.as_default(), pytest.raises(RuntimeError, match="finalized"):
        tf.constant(1.0)


def test_a_tensor_of_another_graph_is_named(live: dict[str, tf.Variable]) -> None:
    with tf.Graph().as_default():
        stranger = tf.constant(1.0, name="stranger")
    with pytest.raises(UnsupportedError, match="stranger"):
        StandInGraph(live).element(stranger)


def test_a_placeholder_without_a_value_is_named(live: dict[str, tf.Variable]) -> None:
    stand_in = StandInGraph(live)
    with stand_in.graph.as_default():
        doubled = 2.0 * v1.placeholder(tf.float32, [], name="mine")
    with pytest.raises(UnsupportedError, match="placeholder 'mine'"):
        stand_in.values([doubled], {})
    assert stand_in.values([doubled], {stand_in.element("mine"): 2.0}) == [4.0]
