"""95 % intervals: Wilson's for proportions, the bootstrap for everything else.

Where a row has an answer at each step, its answers depend on each other: then the rows are the
examples, with all their steps, and a resample draws whole rows (the cluster bootstrap: Field and
Welsh, Bootstrapping Clustered Data, JRSS B 69, 2007). Wilson's interval over the steps would be far
too narrow.

Shapes: N examples, S sums over the examples, R resamples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from components.artifacts.values import Interval

CONFIDENCE = 0.95
RESAMPLES = 2000
"""R: the tail of 2.5 % at each end then holds 50 resamples."""
_SEED = 20_231
"""Any number, but a fixed one: the same predictions give the same intervals."""
_WEIGHTS_AT_ONCE = 2**22
"""Of float64: 32 MiB at a time, whatever the number of examples."""

Array = NDArray[np.float64]


def wilson(successes: int, trials: int) -> Interval:
    """A proportion with Wilson's score interval (E. B. Wilson, JASA 22, 1927).

    It stays inside [0, 1] and holds its level for few trials and for proportions near 0 and 1,
    where the normal interval does not (Brown, Cai and DasGupta, Statistical Science 16, 2001).
    Without trials nothing is known: the value is 0 and the interval [0, 1].
    """
    if trials == 0:
        return Interval(0.0, 0.0, 1.0)
    ends = stats.binomtest(successes, trials).proportion_ci(CONFIDENCE, method="wilson")
    return _around(successes / trials, float(ends.low), float(ends.high))


class Bootstrap:
    """Resampled sums over the examples (B. Efron, Annals of Statistics 7, 1979).

    Each resample draws N examples with replacement. A statistic sees only sums over examples, so
    that a resample is one row of counts times the contributions, and all of them one product.

    Args:
        contributions: [N, S]; what each example adds to each sum.
        resamples: R.
        seed: the same seed and contributions give the same intervals.
    """

    def __init__(
        self, contributions: Array, *, resamples: int = RESAMPLES, seed: int = _SEED
    ) -> None:
        self._examples = len(contributions)
        self._sums = contributions.sum(axis=0, keepdims=True)
        self._resampled = _resampled_sums(contributions, resamples, seed)

    def interval(
        self,
        statistic: Callable[[Array], Array],
        *,
        kind: Literal["percentile", "basic"] = "percentile",
        limits: tuple[float, float] = (-np.inf, np.inf),
        trials: int | None = None,
    ) -> Interval:
        """The statistic of the data and its interval.

        Args:
            statistic: from sums [R, S] to values [R].
            kind: ``basic`` mirrors the percentiles at the value (Davison and Hinkley, Bootstrap
              Methods and their Application, 1997, 5.2.1); it is for a statistic that noise alone
              drives to one side, as it does the calibration error.
            limits: the least and the greatest possible value.
            trials: how many examples the statistic is about; all of them by default.

        Returns:
            The interval, wide enough to hold the value. All three are NaN if the value is.
            Where no resample differs from a value of 0 or 1 that is a limit, such as that of a
            model that is always right, resampling says nothing: then it is Wilson's for as many
            examples.
        """
        value = float(statistic(self._sums)[0])
        if not np.isfinite(value):
            return Interval(np.nan, np.nan, np.nan)
        tail = (1 - CONFIDENCE) / 2
        # NaN: a resample in which a metric is not defined says nothing about it.
        low, high = np.nanquantile(statistic(self._resampled), [tail, 1 - tail]).tolist()
        if low == high == value and limits == (0.0, 1.0) and value in limits:
            trials = trials or self._examples
            return wilson(round(value) * trials, trials)
        if kind == "basic":
            # [2 v - q(97.5 %), 2 v - q(2.5 %)] for the value v and the quantiles q.
            low, high = 2 * value - high, 2 * value - low
        return _around(value, max(low, limits[0]), min(high, limits[1]))


def _resampled_sums(contributions: Array, resamples: int, seed: int) -> Array:
    """The sums of each resample, [R, S]."""
    examples = len(contributions)
    random = np.random.default_rng(seed)
    at_once = max(1, _WEIGHTS_AT_ONCE // examples)
    sums = []
    for start in range(0, resamples, at_once):
        # How often each resample holds each example, [rows, N]: counted in one call of bincount,
        # for which the examples of resample r are numbered from r * N on.
        rows = min(at_once, resamples - start)
        drawn = random.integers(examples, size=(rows, examples))
        drawn += np.arange(rows)[:, None] * examples
        weights = np.bincount(drawn.ravel(), minlength=rows * examples).reshape(rows, examples)
        sums.append(weights.astype(np.float64) @ contributions)
    return np.concatenate(sums)


def _around(value: float, low: float, high: float) -> Interval:
    return Interval(value, min(low, value), max(high, value))
