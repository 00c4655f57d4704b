"""The paired test of two models on rows that have many answers each.

The steps of a row depend on each other: where one is wrong, its neighbours often are. McNemar's
test over the steps would take each for a row of its own, and find differences that are chance. The
rows are what is independent, so that each gives one number: the share of its steps that the
candidate has right, minus that of the champion.

If both models were equally good, either could have been called the candidate, row by row: each
difference has either sign with the same chance. The p-value is the share of all choices of signs
whose mean is as small as the one seen, or smaller (the sign-flip permutation test: R. A. Fisher,
The Design of Experiments, 1935, section 21). With one step a row it is McNemar's exact test.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import PairedRows

_MOST_ENUMERATED = 16
"""Of so many rows that differ all 65,536 choices of signs are tried."""
_DRAWN = 20_000
"""Choices of signs that are drawn where there are more: the standard error of a p-value near 0.05
is then 0.0015."""
_SEED = 20_231
"""Any number, but a fixed one: the same predictions give the same decision."""
_ROUNDING = 1e-9
"""Sums of shares that differ by less are equal: they are rounded in different orders."""


def paired_rows(candidate: PredictionTable, champion: PredictionTable) -> PairedRows:
    """Compares two models on the same rows in the same order."""
    differences = _shares(candidate) - _shares(champion)
    return PairedRows(
        mean_difference=float(differences.mean()),
        candidate_ahead=int(np.sum(differences > 0)),
        other_ahead=int(np.sum(differences < 0)),
        p_worse=sign_flip_p(differences),
        p_better=sign_flip_p(-differences),
        squares=float(np.sum(differences**2)),
    )


def sign_flip_p(differences: NDArray[np.float64]) -> float:
    """One-sided p-value that the mean of the differences [N] is below 0.

    Exact for few differences that are not 0, which alone change; else over drawn signs, those of
    the data among them (Phipson and Smyth, Statistical Applications in Genetics and Molecular
    Biology 9, 2010), so that it is never 0.
    """
    moved = np.abs(differences[differences != 0])
    seen = differences.sum() + _ROUNDING
    if len(moved) <= _MOST_ENUMERATED:
        sums = np.zeros(1)
        for size in moved:
            sums = np.concatenate([sums + size, sums - size])
        return float(np.mean(sums <= seen))
    random = np.random.default_rng(_SEED)
    # In parts: the signs of all rows at once could take gigabytes.
    drawn = sum(
        int(np.sum((random.integers(0, 2, (size, len(moved))) * 2 - 1) @ moved <= seen))
        for size in [_DRAWN // 100] * 100
    )
    return (1 + drawn) / (1 + _DRAWN)


def _shares(table: PredictionTable) -> NDArray[np.float64]:
    """[N]: the share of each row's answers that is right."""
    right = table.row_sums(table.correct[:, None].astype(np.float64))[:, 0]
    shares: NDArray[np.float64] = right / table.row_lengths
    return shares
