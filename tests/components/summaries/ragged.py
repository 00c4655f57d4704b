"""Rows of any lengths for tests of what sums them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.summaries.steps import Steps

Row = NDArray[np.float32]


def rows(columns: int = 2, least_steps: int = 1) -> st.SearchStrategy[list[Row]]:
    """1 to 5 rows, float32 [T, C], of up to 12 steps; their numbers come from a seed."""

    def make(lengths: list[int], seed: int) -> list[Row]:
        random = np.random.default_rng(seed)
        return [random.normal(size=(length, columns)).astype(np.float32) for length in lengths]

    lengths = st.lists(st.integers(least_steps, 12), min_size=1, max_size=5)
    return st.builds(make, lengths, st.integers(0, 1000))


def steps_of(rows: Sequence[Row]) -> Steps:
    """The rows as one batch."""
    return Steps.of(ragged(rows))


def ragged(rows: Sequence[Any]) -> tf.RaggedTensor:
    """float32 [B, (T), C]."""
    lengths = np.array([len(row) for row in rows], np.int64)
    return tf.RaggedTensor.from_row_lengths(np.concatenate(rows), lengths)
