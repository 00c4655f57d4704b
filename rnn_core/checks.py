"""Numbers as callers give them, numpy's among them, as plain Python numbers."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from rnn_core.errors import ArgumentError


def check_count(value: object, least: int, what: str) -> int:
    """``value`` as an int.

    Raises:
        ArgumentError: it is not a whole number, or less than ``least``; ``what`` names it.
    """
    if not isinstance(value, Integral) or int(value) < least:
        raise ArgumentError(f"{what}: expected a whole number >= {least}, got {value!r}.")
    return int(value)


def check_steps(value: object, least: int, what: str) -> int | None:
    """A number of steps as an int, also if it was written as ``1e4``; None stays.

    Raises:
        ArgumentError: it is not a whole number, or less than ``least``; ``what`` names it.
    """
    if value is None:
        return None
    whole = isinstance(value, Real) and float(value).is_integer()
    return check_count(int(value) if whole else value, least, what)  # type: ignore[call-overload]


def plain(value: Any) -> Any:
    """A number of numpy as one of Python; anything else as it is."""
    return value.item() if isinstance(value, np.generic) else value
