"""What a sequence is like as a whole: statistics of each feature, which any classifier can take.

Shapes: N rows, T steps of a row, F numbers a step.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.quality.rows import Array, Rows
from components.baseline.statistics import statistics_of


def summaries(rows: Rows, categories: Sequence[tuple[str, str]]) -> Array:
    """[N, D]: the length, the statistics of each feature, and the context.

    Args:
        rows: of either split.
        categories: the (feature, text) pairs of the training rows' context, one column each.
    """
    sequence = np.stack([_summary(steps.astype(np.float64)) for steps in rows.numbers])
    context = [[*_context(each, categories)] for each in rows.context]
    return np.hstack([sequence, np.array(context, np.float64).reshape(len(rows), -1)])


def categories_of(rows: Rows) -> list[tuple[str, str]]:
    """The (feature, text) pairs of the context of the training rows."""
    pairs = {pair for row in rows.context for pair in row.items() if isinstance(pair[1], str)}
    return sorted(pairs)


def _summary(steps: Array) -> Array:
    """[1 + 15 F] of [T, F]."""
    found, crossings = np.split(statistics_of(steps), [-steps.shape[1]])
    return np.concatenate([[len(steps)], found, np.square(steps).mean(axis=0), crossings])


def _context(row: dict[str, object], categories: Sequence[tuple[str, str]]) -> list[float]:
    numbers = [float(value) for _, value in sorted(row.items()) if isinstance(value, int | float)]
    return numbers + [float(row.get(name) == text) for name, text in categories]
