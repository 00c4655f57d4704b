"""The optimizer argument."""

from __future__ import annotations

from typing import Any

import keras
import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.optimizers.keras_optimizer import KerasSpec
from rnn_core.optimizers.optimizers import optimizer_spec
from rnn_core.optimizers.rule_optimizer import RuleSpec


def settings(optimizer: Any) -> Any:
    spec = optimizer_spec(optimizer)
    assert isinstance(spec, RuleSpec)
    return spec.settings


@pytest.mark.parametrize("name", ["Adagrad", "Adam", "Ftrl", "RMSProp", "SGD", "rmsprop"])
def test_a_string_learns_at_0_05_and_clips_each_gradient_to_five(name: str) -> None:
    found = settings(name)
    assert (found["learning_rate"], found["clipnorm"]) == (pytest.approx(0.05), 5.0)


def test_an_instance_keeps_its_settings() -> None:
    found = settings(keras.optimizers.Adam(0.2, 0.8, 0.7, 0.1, amsgrad=True, clipvalue=3.0))
    names = ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad", "clipvalue", "clipnorm")
    assert [found[name] for name in names] == [pytest.approx(0.2), 0.8, 0.7, 0.1, True, 3.0, None]


def test_a_learning_rate_that_was_set_later_counts() -> None:
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.learning_rate = 0.3
    assert settings(optimizer)["learning_rate"] == pytest.approx(0.3)


def test_a_callable_gives_the_optimizer() -> None:
    assert settings(lambda: keras.optimizers.Adam(0.2))["learning_rate"] == pytest.approx(0.2)
    assert settings(lambda: "SGD")["learning_rate"] == pytest.approx(0.05)
    assert settings(keras.optimizers.RMSprop)["rho"] == 0.9


class SGD(keras.optimizers.SGD):
    """Bears the name of a kind whose steps are known, and steps otherwise."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        self.assign_sub(variable, tf.ones_like(gradient))


def test_a_subclass_makes_its_own_steps() -> None:
    variable = tf.Variable([5.0])
    spec = optimizer_spec(SGD(0.1))
    assert isinstance(spec, KerasSpec)
    spec.make({"v": variable}).apply([tf.constant([3.0])], tf.constant(0, tf.int64))
    assert variable.numpy().tolist() == [4.0]


@pytest.mark.parametrize("wrong", ["Nadam?", 3, lambda: "nothing", tf.Variable(1.0)])
def test_an_unknown_optimizer_is_named(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="optimizer: expected"):
        optimizer_spec(wrong)
