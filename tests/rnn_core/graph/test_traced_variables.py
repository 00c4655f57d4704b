"""Variables that a function creates while it is traced."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ModelFnError
from rnn_core.graph.traced_variables import TracedVariables


def traced(variables: TracedVariables, function: Any, *arguments: Any) -> Any:
    def trace(*given: Any) -> Any:
        return variables.trace(lambda: function(*given))

    return tf.function(trace, autograph=False)(*arguments)


def two_layers(x: tf.Tensor) -> tf.Tensor:
    return keras.layers.Dense(2)(keras.layers.Dense(3)(x))


def test_a_second_trace_gets_the_variables_of_the_first() -> None:
    variables = TracedVariables(7)
    one = traced(variables, two_layers, tf.ones([1, 4]))
    made = dict(variables.by_name)
    other = traced(variables, two_layers, tf.ones([2, 4]))
    assert variables.by_name == made
    assert np.allclose(one[0], other[1])


def test_one_seed_gives_the_same_first_values() -> None:
    values = []
    for seed in (7, 7, 8):
        variables = TracedVariables(seed)
        traced(variables, two_layers, tf.ones([1, 4]))
        values.append({name: value.numpy() for name, value in variables.by_name.items()})
    assert values[0].keys() == values[1].keys() == values[2].keys()
    assert all(np.array_equal(values[0][name], values[1][name]) for name in values[0])
    assert not all(np.array_equal(values[0][name], values[2][name]) for name in values[0])


def test_values_of_a_checkpoint_are_taken_by_variables_that_are_made_later() -> None:
    variables = TracedVariables(None)
    variables.restore({"a": np.array(3.0, np.float32)})
    result = traced(variables, lambda: tf.Variable(1.0, name="a") + 0)
    assert result == 3


def test_two_variables_of_one_name_are_told_apart() -> None:
    variables = TracedVariables(None)
    traced(variables, lambda: tf.Variable(1.0, name="a") + tf.Variable(2.0, name="a"))
    assert {name: value.numpy() for name, value in variables.by_name.items()} == {"a": 1, "a_1": 2}


def test_a_function_trains_no_variable_of_another() -> None:
    def trainable() -> tf.Tensor:
        tf.Variable(1.0, name="a")
        return tf.constant(len(tf.compat.v1.trainable_variables()))

    assert [traced(TracedVariables(None), trainable) for _ in range(2)] == [1, 1]


def test_local_variables_are_known() -> None:
    variables = TracedVariables(None)
    traced(variables, lambda x: tf.compat.v1.metrics.mean(x)[1], tf.ones([2]))
    assert variables.local == set(variables.by_name) == {"mean/total", "mean/count"}


def test_a_first_value_that_depends_on_the_batch_is_refused() -> None:
    with pytest.raises(ModelFnError, match="'a': its initial value depends"):
        traced(TracedVariables(None), lambda x: tf.Variable(x, name="a") + 0, tf.ones([2]))


@pytest.mark.parametrize("how", ["read", "written", "in a branch"])
def test_a_variable_of_outside_is_refused(how: str) -> None:
    outside = tf.Variable(tf.ones([2]), name="outside")
    uses = {
        "read": lambda: outside + 0,
        "written": lambda: outside.assign_add([1.0, 1.0]),
        "in a branch": lambda: tf.cond(tf.constant(True), lambda: outside + 1, lambda: tf.ones(2)),
    }
    with pytest.raises(ModelFnError, match=r"made outside of it: outside \[2\]"):
        traced(TracedVariables(None), uses[how])
    known = TracedVariables(None)
    tf.function(lambda: known.trace(uses[how], [outside]), autograph=False)()


def test_a_layer_that_an_earlier_training_made_is_refused() -> None:
    layer = keras.layers.Dense(1)
    assert traced(TracedVariables(None), layer, tf.ones([1, 2])).shape == (1, 1)
    with pytest.raises(ModelFnError, match=r"made outside of it: dense.*/bias \[1\], dense"):
        traced(TracedVariables(None), layer, tf.ones([1, 2]))
