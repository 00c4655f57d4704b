"""Random convolutions: how often fixed kernels, run over a sequence, are above a threshold.

MiniRocket (Dempster, Schmidt and Webb, 2021, https://arxiv.org/abs/2012.08791): 84 kernels of nine
weights, three of them 2 and six -1, spread over the steps by dilations up to the length of a row.
The thresholds are quantiles of what the kernels give for rows of the training split. Here half
of the numbers come from the values as they are, and half from each row's z-scores, which no longer
know its level and scale.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from components.features.summaries import KERNELS
from components.summaries.steps import Steps

_TAPS: Final = 9
"""The weights of a kernel."""
_MOST_CHANNELS: Final = 9
"""The columns that one kernel adds up at the most, as in MiniRocket."""
_RAMP: Final = 1e-3
"""Of the standard deviation of a kernel's values: wide beside a rounding, and narrow where most of
the values lie close together."""
_LEAST_DEVIATION: Final = 1e-4
"""Of the columns' scale."""
_GOLDEN_RATIO: Final = (5**0.5 + 1) / 2


def _kernels() -> NDArray[np.float32]:
    """float32 [9, 84]."""
    weights = np.full((_TAPS, KERNELS), -1.0, np.float32)
    for kernel, three in enumerate(itertools.combinations(range(_TAPS), 3)):
        weights[list(three), kernel] = 2.0
    return weights


@dataclass(frozen=True, eq=False)
class _Dilation:
    """The kernels at one distance of their taps, on one view of the steps."""

    view: str
    """A key of ``VIEWS``."""
    dilation: int
    """Steps from one weight of a kernel to the next."""
    weights: NDArray[np.float32]
    """float32 [9 C, 84], over the width of the ramp from below a threshold to above it."""
    thresholds: NDArray[np.float32]
    """float32 [P, 84], P numbers from each kernel: where the ramp begins."""

    def __call__(self, steps: Steps) -> tf.Tensor:
        """float32 [B, 84 P]: the share of the steps of each row that are above each threshold.

        Args:
            steps: as the view shows them.
        """
        convolved, is_inside = _convolve(steps, self.weights, self.dilation)
        # As in MiniRocket every other kernel leaves out the steps where it reaches beyond the row,
        # unless it does so everywhere.
        inside = tf.cast(is_inside, tf.float32)
        has_any = steps.of_rows(steps.sum(inside)) > 0.0
        inside = tf.where(has_any, inside, 1.0)[:, tf.newaxis]
        counted = tf.concat([tf.ones_like(inside), inside], axis=1)
        counted = tf.tile(counted, [1, KERNELS // 2])
        total = steps.sum(counted)
        # A ramp in place of a step at the threshold: the last digit of a sum, which depends on how
        # many rows a batch has, must not decide whether a step counts.
        found = [
            tf.math.divide_no_nan(
                steps.sum(tf.clip_by_value(convolved - threshold, 0.0, 1.0) * counted), total
            )
            for threshold in self.thresholds
        ]
        return tf.concat(found, axis=1)


@dataclass(frozen=True, eq=False)
class Convolutions:
    """The convolutions, with thresholds that were learned from some rows."""

    dilations: tuple[_Dilation, ...]

    @classmethod
    def learn(cls, steps: Steps, count: int) -> Convolutions:
        """Learns ``count`` numbers from rows of the training split.

        Args:
            steps: of the rows; their columns are of one scale.
            count: a multiple of 84.
        """
        # A generator of its own: the same rows give the same kernels.
        random = np.random.default_rng(0)
        typical_steps = float(np.median(steps.lengths.numpy()))
        found = []
        for number, (name, view_of) in enumerate(VIEWS.items()):
            view, sets = view_of(steps), len(range(number, count // KERNELS, len(VIEWS)))
            for dilation, thresholds in _dilations(sets, typical_steps):
                channels = _channels(int(steps.values.shape[1]), random)
                weights = (_kernels()[:, np.newaxis, :] * channels).reshape(-1, KERNELS)
                convolved = _convolve(view, weights, dilation)[0].numpy()
                ramps = _RAMP * np.maximum(convolved.std(axis=0), 1e-6)
                begins = _thresholds(convolved, thresholds) / ramps - 0.5
                found.append(_Dilation(name, dilation, weights / ramps, begins.astype(np.float32)))
        return cls(tuple(found))

    def __call__(self, steps: Steps) -> tf.Tensor:
        """float32 [B, count] for steps float32 [N, C]; each number is in [0, 1]."""
        views = {name: view_of(steps) for name, view_of in VIEWS.items()}
        return tf.concat([kernels(views[kernels.view]) for kernels in self.dilations], axis=1)


def _convolve(
    steps: Steps, weights: NDArray[np.float32], dilation: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """float32 [N, 84], with zeros beyond the ends of a row, and bool [N]: none was needed."""
    count = tf.size(steps.rows)
    offsets = tf.constant((np.arange(_TAPS) - _TAPS // 2) * dilation, tf.int32)
    index = tf.range(count)[:, tf.newaxis] + offsets
    within = tf.clip_by_value(index, 0, tf.maximum(count - 1, 0))
    is_same_row = tf.gather(steps.rows, within) == steps.rows[:, tf.newaxis]
    is_inside = is_same_row & (index == within)
    taps = tf.where(is_inside[:, :, tf.newaxis], tf.gather(steps.values, within), 0.0)
    convolved = tf.matmul(tf.reshape(taps, [-1, len(weights)]), tf.constant(weights))
    return convolved, tf.reduce_all(is_inside, axis=1)


def _row_z_scores(steps: Steps) -> Steps:
    """Minus the mean of the row, over its standard deviation; near 0 in a row that is constant."""
    # Below the limit rounding errors alone would be left.
    scale = tf.maximum(steps.deviation(), _LEAST_DEVIATION)
    return steps._replace(values=steps.centered() / steps.of_rows(scale))


VIEWS: Final[dict[str, Callable[[Steps], Steps]]] = {
    "values": lambda steps: steps,
    "row_z_scores": _row_z_scores,
}
"""What the kernels run over."""


def _dilations(sets: int, typical_steps: float) -> Sequence[tuple[int, int]]:
    """Dilations with how many sets of 84 numbers each gets: more for the small ones.

    Their exponents are spaced evenly up to the one whose kernel is as long as a row.
    """
    largest = max(0.0, float(np.log2(max(typical_steps - 1, 1) / (_TAPS - 1))))
    exponents = np.linspace(0, largest, sets) if sets else np.zeros(0)
    dilations, counts = np.unique(np.int64(2**exponents), return_counts=True)
    return [(int(d), int(c)) for d, c in zip(dilations, counts, strict=True)]


def _channels(columns: int, random: np.random.Generator) -> NDArray[np.float32]:
    """float32 [C, 84]: 1 for the columns that a kernel adds up, few more often than many."""
    chosen = np.zeros((columns, KERNELS), np.float32)
    most = min(columns, _MOST_CHANNELS)
    for kernel in range(KERNELS):
        number = int(2 ** random.uniform(0, np.log2(most + 1)))
        chosen[random.choice(columns, max(1, min(number, most)), replace=False), kernel] = 1.0
    return chosen


def _thresholds(convolved: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """float32 [count, 84]: quantiles of each kernel's values [N, 84], spread evenly over (0, 1)."""
    # Multiples of the golden ratio, modulo 1, lie evenly however many are taken.
    shares = np.mod(np.arange(1, KERNELS * count + 1) * _GOLDEN_RATIO, 1.0)
    by_kernel = shares.reshape(KERNELS, count)
    columns = [np.quantile(convolved[:, k], by_kernel[k]) for k in range(KERNELS)]
    return np.stack(columns, axis=1).astype(np.float32)
