"""The paired test of two models on rows that have many answers each.

The steps of a row depend on each other: where one is wrong, its neighbours often are. McNemar's
test over the steps would take each for a row of its own, and find differences that are chance. The
rows are what is independent, so that each gives one number: the share of its steps that the
candidate has right, minus that of the champion.

Where answers have costs, a gate may compare by these: the number of a row is then the mean cost of
its answers, below 0 and in shares of the largest cost, so that differences lie in [-1, 1] here too.

If both models were equally good, either could have been called the candidate, row by row: each
difference has either sign with the same chance. The p-value is the share of all choices of signs
whose mean is as small as the one seen, or smaller (the sign-flip permutation test: R. A. Fisher,
The Design of Experiments, 1935, section 21). With one step a row it is McNemar's exact test.
"""

from __future__ import annotations

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import PairedRows
from components.evaluation.scoring import answer_costs, largest_cost
from components.metrics_config import Costs

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
    return _compared(_shares(candidate) - _shares(champion))


def paired_costs(candidate: PredictionTable, champion: PredictionTable, costs: Costs) -> PairedRows:
    """The same by what the answers cost; what costs less is ahead.

    Args:
        candidate: as for ``paired_rows``.
        champion: as for ``paired_rows``.
        costs: of which one at least is above 0.
    """
    # Of the labels of both: the unit is that of either model.
    largest = largest_cost(costs, {*candidate.classes, *champion.classes, *candidate.labels})
    ours, theirs = (
        _means(table, answer_costs(table, costs) / largest) for table in (candidate, champion)
    )
    unit = json.dumps([costs, largest], sort_keys=True).encode()
    return _compared(theirs - ours, hashlib.sha256(unit).hexdigest()[:16])


def _compared(differences: NDArray[np.float64], costs_digest: str = "") -> PairedRows:
    return PairedRows(
        mean_difference=float(differences.mean()),
        candidate_ahead=int(np.sum(differences > 0)),
        other_ahead=int(np.sum(differences < 0)),
        p_worse=sign_flip_p(differences),
        p_better=sign_flip_p(-differences),
        squares=float(np.sum(differences**2)),
        costs_digest=costs_digest,
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
    return _means(table, table.correct.astype(np.float64))


def _means(table: PredictionTable, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """[N]: the mean over each row's answers, from [A]."""
    means: NDArray[np.float64] = table.row_sums(values[:, None])[:, 0] / table.row_lengths
    return means
