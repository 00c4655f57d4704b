"""The work that is measured: an LSTM over dense sequences, as large for every worker."""

from __future__ import annotations

from typing import Final

BATCH: Final = 64
STEPS: Final = 50
FEATURES: Final = 32
CLASSES: Final = 5
"""B of a worker, T, F and K."""

_COUNTS: Final = 4
"""What travels with the gradients: whether there was a batch, its examples, weights and loss."""


def exchanged_numbers(units: int) -> int:
    """float32 numbers that the workers add up in a step, for one layer of H = ``units``."""
    layer = (FEATURES + units + 1) * 4 * units
    return _COUNTS + layer + (units + 1) * CLASSES
