"""The work of the benchmarks: the same for all, and its floating-point operations by hand."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.work import CLASSES, EVERY_WORK, WORKS, Work, batches, step_flop, weights


def test_the_flop_of_an_lstm_by_hand() -> None:
    work = Work("lstm", rows=2, shortest=3, longest=3, features=5, units=(7,), window_steps=1)
    # Forward and for the kernels: inputs [6, 5] and states [6, 7] by 28 gates; back to states.
    assert step_flop(work) == 2 * 6 * 28 * (5 + 7) * 2 + 2 * 6 * 28 * 7


def test_only_upper_layers_need_the_gradient_of_their_inputs() -> None:
    one = Work("gru", rows=2, shortest=3, longest=3, features=5, units=(7,), window_steps=1)
    two = one._replace(units=(7, 4))
    assert step_flop(two) - step_flop(one) == 2 * 6 * 12 * ((7 + 4) * 2 + 4 + 7)


@pytest.mark.parametrize("name", WORKS)
def test_batches_are_the_same_each_time_and_hold_zeros_behind_the_end_of_a_row(name: str) -> None:
    work = EVERY_WORK[name]
    for batch, again in zip(batches(work), batches(work), strict=True):
        np.testing.assert_array_equal(batch.values, again.values)
        assert batch.values.shape == (work.rows, batch.lengths.max(), work.features)
        behind = np.arange(batch.values.shape[1]) >= batch.lengths[:, None]
        assert not batch.values[behind].any()


def test_the_length_of_a_batch_can_be_given() -> None:
    assert {batch.values.shape[1] for batch in batches(WORKS["R"], longest=200)} == {200}


def test_weights_are_those_of_each_layer_and_of_the_logits() -> None:
    shapes = [value.shape for value in weights(WORKS["S2"])]
    upper = [(32, 64), (16, 64), (64,)]
    assert shapes == [(16, 128), (32, 128), (128,), *upper, (16, CLASSES), (CLASSES,)]
    assert weights(WORKS["R"])[2].shape == (2, 3 * 64)
