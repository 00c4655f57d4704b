"""How many times as fast one is as another measured in the windows between."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def ratio(slower: Sequence[float], faster: Sequence[float]) -> str:
    """The median of the ratios, round by round, with the lowest and the highest."""
    ratios = [a / b for a, b in zip(slower, faster, strict=True)]
    return f"{statistics.median(ratios):6.3f}  [{min(ratios):.3f}, {max(ratios):.3f}]"
