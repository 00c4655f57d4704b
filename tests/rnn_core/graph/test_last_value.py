"""What the last step of many leaves behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.graph.step_loop import LastValue

STRATEGIES = [tf.distribute.get_strategy, lambda: tf.distribute.MirroredStrategy(["CPU:0"])]


@pytest.mark.parametrize("make", STRATEGIES)
def test_it_is_what_the_last_step_of_a_loop_put(make: Any) -> None:
    strategy = make()
    with strategy.scope():
        kept = LastValue(tf.int64, [None])
    assert kept.get().tolist() == []

    def body(step: tf.Tensor) -> tf.Tensor:
        strategy.run(lambda: kept.put(tf.range(tf.cast(step, tf.int64))))
        return step + 1

    run = tf.function(lambda: tf.while_loop(lambda step: step < 5, body, (0,)), autograph=False)
    run()
    np.testing.assert_array_equal(kept.get(), range(4))


def test_a_string_is_empty_before_the_first_step() -> None:
    kept = LastValue(tf.string, [])
    assert kept.get() == b""
    kept.put(tf.constant("a"))
    assert kept.get() == b"a"
