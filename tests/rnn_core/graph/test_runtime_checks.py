"""Checks inside of a graph."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core import FeatureError, LabelError
from rnn_core.graph.runtime_checks import checked, named_errors


@tf.function(autograph=False)
def small(value: tf.Tensor) -> tf.Tensor:
    return checked(value, value < 5, LabelError, "Labels of 5 and more", value)


def test_a_value_that_passes_goes_through() -> None:
    with named_errors():
        assert int(small(tf.constant(4))) == 4


def test_a_failed_check_raises_its_error_with_the_value() -> None:
    with pytest.raises(LabelError, match=r"Labels of 5 and more:.*9"), named_errors():
        small(tf.constant(9))


def test_a_failed_assertion_of_a_column_is_a_feature_error() -> None:
    @tf.function(autograph=False)
    def check(value: tf.Tensor) -> tf.Tensor:
        with tf.control_dependencies([tf.debugging.Assert(value, ["bad id", 3])]):
            return tf.identity(value)

    with pytest.raises(FeatureError, match="bad id"), named_errors():
        check(tf.constant(False))


def test_another_error_goes_through() -> None:
    with pytest.raises(tf.errors.InvalidArgumentError), named_errors():
        tf.reshape(tf.zeros([3]), tf.constant([2, 2]))
