"""How numbers are said in the gate's sentences."""

from __future__ import annotations

import math

NAMED_CLASSES = 3
"""The most classes that a reason names."""


def count_of_rows(count: int) -> str:
    """``1 row``."""
    return f"{count:,} row{'' if count == 1 else 's'}"


def times(count: int) -> str:
    """``never``, ``once``, ``2 times``."""
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def finite(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def distinct(value: float, bound: float) -> tuple[str, str]:
    """Both as text, with enough digits that different numbers look different."""
    # 17 digits tell any two float64 apart.
    for digits in range(4, 17):
        texts = f"{value:.{digits}g}", f"{bound:.{digits}g}"
        if value == bound or texts[0] != texts[1]:
            return texts
    return repr(value), repr(bound)
