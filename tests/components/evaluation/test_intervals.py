"""Intervals: where they lie, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.evaluation.intervals import Array, Bootstrap, wilson


def mean(sums: Array) -> Array:
    """The mean, from sums [R, 2] of the values and of ones."""
    return np.asarray(sums[:, 0] / sums[:, 1])


def with_ones(values: Array) -> Array:
    return np.stack([values, np.ones_like(values)], axis=1)


@pytest.mark.slow
@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_solves_its_equation_and_stays_in_the_unit_interval(hits: int, extra: int) -> None:
    """Its ends are the proportions p at which (value - p)^2 = z^2 p (1 - p) / n."""
    trials = hits + extra
    seen = wilson(hits, trials)
    assert 0 <= seen.low <= seen.value <= seen.high <= 1
    z2 = stats.norm.ppf(0.975) ** 2
    for end in (seen.low, seen.high):
        assert (seen.value - end) ** 2 == pytest.approx(z2 * end * (1 - end) / trials, abs=1e-9)


def test_wilson_of_a_perfect_score_is_not_sure() -> None:
    seen = wilson(370, 370)
    assert seen.value == seen.high == 1
    assert 0.98 < seen.low < 1


def test_without_trials_nothing_is_known() -> None:
    seen = wilson(0, 0)
    assert (seen.value, seen.low, seen.high) == (0, 0, 1)


def test_the_bootstrap_of_a_mean_agrees_with_the_normal_interval() -> None:
    values = np.random.default_rng(1).normal(3, 2, size=500)
    seen = Bootstrap(with_ones(values)).interval(mean)
    half = stats.norm.ppf(0.975) * values.std() / np.sqrt(len(values))
    assert seen.value == pytest.approx(values.mean())
    assert seen.low == pytest.approx(values.mean() - half, abs=0.02)
    assert seen.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_basic_interval_mirrors_the_percentiles() -> None:
    values = np.random.default_rng(2).exponential(size=50)
    bootstrap = Bootstrap(with_ones(values))
    plain, mirrored = bootstrap.interval(mean), bootstrap.interval(mean, kind="basic")
    assert mirrored.low == pytest.approx(2 * plain.value - plain.high)
    assert mirrored.high == pytest.approx(2 * plain.value - plain.low)


def test_the_bootstrap_repeats_itself_and_its_seed_matters() -> None:
    values = with_ones(np.random.default_rng(3).normal(size=60))
    assert Bootstrap(values).interval(mean) == Bootstrap(values).interval(mean)
    assert Bootstrap(values, seed=1).interval(mean) != Bootstrap(values, seed=2).interval(mean)


def test_resamples_in_several_parts_keep_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.evaluation.intervals._WEIGHTS_AT_ONCE", 1000)
    seen = Bootstrap(np.ones((300, 1)), resamples=7).interval(lambda sums: sums[:, 0])
    assert (seen.low, seen.high) == (300, 300)


def test_limits_cut_the_ends_and_the_value_is_always_inside() -> None:
    values = np.array([0.0, 0.0, 0.0, 1.0])
    seen = Bootstrap(with_ones(values)).interval(mean, kind="basic", limits=(0.2, 0.25))
    assert (seen.low, seen.value, seen.high) == (0.2, 0.25, 0.25)


def test_a_value_that_is_not_a_number_has_no_interval() -> None:
    seen = Bootstrap(with_ones(np.array([1.0, np.nan]))).interval(mean)
    assert np.isnan([seen.value, seen.low, seen.high]).all()


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    random = np.random.default_rng(4)
    samples = [random.exponential(size=150) for _ in range(300)]
    seen = [Bootstrap(with_ones(values), resamples=400).interval(mean) for values in samples]
    held = sum(interval.low <= 1 <= interval.high for interval in seen)
    assert 0.90 <= held / len(samples) <= 0.98
