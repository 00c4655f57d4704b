"""TensorFlow's LSTM in one operation is the one of the loop."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from rnn_core.models import stock_layers, time_loop
from rnn_core.models.cells import KINDS, CellWeights


@pytest.mark.parametrize(("time", "batch", "units"), [(6, 4, 5), (1, 1, 1), (3, 0, 2)])
def test_states_and_gradients_are_those_of_the_loop(time: int, batch: int, units: int) -> None:
    random = np.random.default_rng(1)
    shapes = ((time, batch, 3), (3, 4 * units), (units, 4 * units), (4 * units,))
    given = [tf.constant(random.normal(size=shape), tf.float32) for shape in shapes]
    found = []
    for run in (
        stock_layers.run_block_lstm,
        lambda *layer: time_loop.run_time_loop(KINDS["lstm"], *layer),
    ):
        with tf.GradientTape() as tape:
            tape.watch(given)
            hidden = run(CellWeights(*given[1:]), given[0])
            loss = tf.reduce_sum(hidden**2)
        found.append([hidden, *tape.gradient(loss, given)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
