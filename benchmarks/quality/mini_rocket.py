"""Features of MiniRocket, for rows of any length and several numbers a step, in numpy.

A. Dempster, D. F. Schmidt, G. I. Webb (2021): MiniRocket: A Very Fast (Almost) Deterministic
Transform for Time Series Classification, KDD 2021. A row is convolved with 84 fixed kernels of
nine weights, six of -1 and three of 2, at dilations that grow exponentially. A feature is the
share of the steps at which a convolution is above a bias, and the biases are quantiles of the
convolution of some training row. As in the authors' variant for several numbers a step, a kernel
sees the sum of a random choice of at most nine of them.

Shapes: T steps of a row, F numbers a step, K = 84 kernels.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from benchmarks.quality.rows import Array

_TAPS = 9
_KERNELS = tuple(itertools.combinations(range(_TAPS), 3))
"""Where the three weights of 2 are."""
_WEIGHTS = np.full((len(_KERNELS), _TAPS), -1.0, np.float32)
for _kernel, _twos in enumerate(_KERNELS):
    _WEIGHTS[_kernel, list(_twos)] = 2.0
_FEATURES = 9_996
"""The largest multiple of 84 that is below 10,000, as in the paper."""
_MOST_DILATIONS = 32
"""A kernel, as in the paper."""
_GOLDEN_RATIO = (5**0.5 + 1) / 2


@dataclasses.dataclass(frozen=True)
class _Dilation:
    step: int
    """Steps between two weights of a kernel."""
    channels: Array
    """[K, F] of 0 and 1: which numbers a kernel sees."""
    padded: Array
    """[K]: whether a kernel also looks at the ends of a row, where zeros stand beyond it."""
    biases: Array
    """[K, B]."""

    def convolve(self, row: Array) -> Array:
        """[K, T] of a row [T, F]."""
        reach = self.step * (_TAPS // 2)
        seen = np.pad(self.channels @ row.T, ((0, 0), (reach, reach)))
        total = np.zeros((len(_KERNELS), len(row)), np.float32)
        for tap in range(_TAPS):
            start = tap * self.step
            total += _WEIGHTS[:, tap, None] * seen[:, start : start + len(row)]
        return total

    def features(self, row: Array) -> Array:
        """[K, B] of a row [T, F]: the shares of steps above each bias."""
        convolved = self.convolve(row)
        above = np.empty(self.biases.shape, np.float32)
        for is_padded in (False, True):
            kernels = self.padded == is_padded
            values = _used(convolved[kernels], self.step, is_padded)
            # Looked up in sorted values, which costs less than to compare every step to every bias.
            values = np.sort(values, axis=1)
            above[kernels] = [
                1 - np.searchsorted(ordered, biases, side="right") / len(ordered)
                for ordered, biases in zip(values, self.biases[kernels], strict=True)
            ]
        return above


class MiniRocket:
    """Fitted on the training rows; the same seed gives the same features."""

    def __init__(self, rows: Sequence[Array], seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        longest = max(map(len, rows))
        per_kernel = _FEATURES // len(_KERNELS)
        quantiles = (np.arange(1, per_kernel + 1) * _GOLDEN_RATIO) % 1
        self._dilations = []
        used = 0
        for number, (step, count) in enumerate(_dilations(longest, per_kernel)):
            unbiased = _Dilation(
                step,
                _channels(rows[0].shape[1], random),
                (np.arange(len(_KERNELS)) + number) % 2 == 0,
                np.zeros((len(_KERNELS), 0), np.float32),
            )
            biases = _biases(unbiased, rows, quantiles[used : used + count], random)
            self._dilations.append(dataclasses.replace(unbiased, biases=biases))
            used += count

    def transform(self, rows: Sequence[Array]) -> Array:
        """[N, 9996] float32 of N rows [T, F]."""
        return np.stack(
            [
                np.concatenate([each.features(row).ravel() for each in self._dilations])
                for row in rows
            ]
        )


def _dilations(longest: int, per_kernel: int) -> list[tuple[int, int]]:
    """Each dilation, and how many of a kernel's features have it: most are small ones."""
    count = min(per_kernel, _MOST_DILATIONS)
    greatest = np.log2(max((longest - 1) / (_TAPS - 1), 1))
    steps, shares = np.unique(
        np.logspace(0, greatest, count, base=2).astype(int), return_counts=True
    )
    counts = (shares * (per_kernel / count)).astype(int)
    for i in range(per_kernel - int(counts.sum())):
        counts[i % len(counts)] += 1
    return [(int(step), int(each)) for step, each in zip(steps, counts, strict=True)]


def _channels(features: int, random: np.random.Generator) -> Array:
    chosen = np.zeros((len(_KERNELS), features), np.float32)
    most = np.log2(min(features, _TAPS) + 1)
    for kernel in chosen:
        count = int(2 ** random.uniform(0, most))
        kernel[random.choice(features, count, replace=False)] = 1
    return chosen


def _biases(
    dilation: _Dilation, rows: Sequence[Array], quantiles: Array, random: np.random.Generator
) -> Array:
    """[K, B]: quantiles of the convolutions, of a training row for each kernel."""
    picked = random.integers(len(rows), size=len(_KERNELS))
    convolved = {int(row): dilation.convolve(rows[row]) for row in set(picked)}
    return np.stack(
        [
            np.quantile(
                _used(convolved[int(row)][kernel, None], dilation.step, bool(padded))[0], quantiles
            )
            for kernel, (row, padded) in enumerate(zip(picked, dilation.padded, strict=True))
        ]
    ).astype(np.float32)


def _used(convolved: Array, step: int, padded: bool) -> Array:
    """The steps that count: without padding, those at which the whole kernel is within the row.

    A row that is too short for that counts with padding, as it would have no feature otherwise.
    """
    reach = step * (_TAPS // 2)
    return convolved if padded or convolved.shape[1] <= 2 * reach else convolved[:, reach:-reach]
