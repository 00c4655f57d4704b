"""What a sequence of numbers is like as a whole; numpy only, so that it loads at once.

Shapes: T steps of a row, F numbers a step.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def statistics_of(steps: Array) -> Array:
    """[14 F] of [T, F]; a row without steps has zeros."""
    if not len(steps):
        return np.zeros(14 * steps.shape[1])
    # A row of one step has no difference to the step before: it counts as unchanged.
    changes = np.diff(steps, axis=0) if len(steps) > 1 else np.zeros_like(steps)
    mean = steps.mean(axis=0)
    found = [
        mean,
        steps.std(axis=0),
        steps.min(axis=0),
        steps.max(axis=0),
        steps[0],
        steps[-1],
        *np.quantile(steps, _QUANTILES, axis=0),
        np.abs(changes).mean(axis=0),
        changes.std(axis=0),
        # How often a number crosses its mean, a step.
        np.abs(np.diff(steps > mean, axis=0)).sum(axis=0) / len(steps),
    ]
    return np.concatenate(found)
