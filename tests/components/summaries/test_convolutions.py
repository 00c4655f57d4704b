"""Against MiniRocket's definition, written out step by step."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from numpy.typing import NDArray

from components.features.summaries import KERNELS
from components.summaries.convolutions import Convolutions
from tests.components.summaries.ragged import Row, rows, steps_of

RANDOM = np.random.default_rng(3)
TRAINING = [RANDOM.normal(size=(n, 1)).astype(np.float32).cumsum(axis=0) for n in (30, 40, 50)]


@pytest.fixture(scope="module")
def learned() -> Convolutions:
    return Convolutions.learn(steps_of(TRAINING), 8 * KERNELS)


def convolved(row: NDArray[np.float64], weights: tuple[int, ...]) -> NDArray[np.float64]:
    """What one kernel gives at each step, with zeros beyond the ends."""
    kernel = [2.0 if tap in weights else -1.0 for tap in range(9)]
    return np.correlate(np.pad(row, 4), kernel, "valid")


def test_each_is_the_share_of_steps_above_a_quantile_of_the_training_rows() -> None:
    found = Convolutions.learn(steps_of(TRAINING), 2 * KERNELS)
    # One set of 84 of the values and one of the z-scores, both of dilation 1.
    shares = found(steps_of(TRAINING)).numpy()
    golden = np.mod(np.arange(1, KERNELS + 1) * (5**0.5 + 1) / 2, 1.0)
    views = [TRAINING, [(row - row.mean()) / row.std() for row in TRAINING]]
    for view, offset in zip(views, (0, KERNELS), strict=True):
        for number, weights in enumerate(itertools.combinations(range(9), 3)):
            each = [convolved(row[:, 0].astype(float), weights) for row in view]
            threshold = np.quantile(np.concatenate(each), golden[number])
            for index, values in enumerate(each):
                # Every other kernel counts only where it lies within the row.
                counted = values[4:-4] if number % 2 else values
                expected = np.mean(counted > threshold)
                # A value on the ramp, a thousandth of a deviation wide, counts in part.
                assert shares[index, offset + number] == pytest.approx(expected, abs=0.04)


@settings(max_examples=25, deadline=None)
@given(each=rows(columns=1))
def test_a_row_has_the_same_in_any_batch(learned: Convolutions, each: list[Row]) -> None:
    together = learned(steps_of(each)).numpy()
    alone = np.concatenate([learned(steps_of([row])).numpy() for row in each])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert together.min() >= 0.0
    assert together.max() <= 1.0 + 1e-6


def test_the_same_rows_give_the_same_kernels(learned: Convolutions) -> None:
    again = Convolutions.learn(steps_of(TRAINING), 8 * KERNELS)
    np.testing.assert_array_equal(again(steps_of(TRAINING)), learned(steps_of(TRAINING)))


def test_dilations_reach_up_to_the_length_of_a_row(learned: Convolutions) -> None:
    assert {kernels.dilation for kernels in learned.dilations} == {1, 2, 4}
    short = Convolutions.learn(steps_of([row[:5] for row in TRAINING]), 8 * KERNELS)
    assert {kernels.dilation for kernels in short.dilations} == {1}


def test_half_of_them_know_neither_level_nor_scale(learned: Convolutions) -> None:
    moved = [100 + 7 * row for row in TRAINING]
    before, after = (learned(steps_of(each)).numpy() for each in (TRAINING, moved))
    half = before.shape[1] // 2
    np.testing.assert_allclose(after[:, half:], before[:, half:], atol=2e-2)
    assert np.abs(after[:, :half] - before[:, :half]).max() > 0.5


def test_a_constant_row_and_one_without_steps_are_answered(learned: Convolutions) -> None:
    odd = [np.full((20, 1), 3.0, np.float32), np.zeros((0, 1), np.float32), TRAINING[0]]
    found = learned(steps_of(odd)).numpy()
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(found[1], 0.0)


def test_kernels_add_up_columns_of_several_features() -> None:
    wide = [RANDOM.normal(size=(25, 4)).astype(np.float32) for _ in range(3)]
    found = Convolutions.learn(steps_of(wide), 2 * KERNELS)
    columns = found.dilations[0].weights.reshape(9, 4, KERNELS)
    used = (np.abs(columns).sum(axis=0) > 0).sum(axis=0)
    assert set(used) == {1, 2, 3, 4}
    assert found(steps_of(wide)).shape == (3, 2 * KERNELS)
