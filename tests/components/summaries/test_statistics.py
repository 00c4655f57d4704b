from __future__ import annotations

import numpy as np
from hypothesis import given
from numpy.typing import NDArray

from components.features.summaries import STATISTICS
from components.summaries.statistics import statistics
from tests.components.summaries.ragged import Row, rows, steps_of


def by_hand(row: Row) -> NDArray[np.float64]:
    changes = np.diff(row, axis=0, prepend=row[:1])
    ordered = np.sort(row, axis=0)
    at = [
        int(np.rint(np.float32(q) * np.float32(len(row) - 1))) for q in (0.1, 0.25, 0.5, 0.75, 0.9)
    ]
    parts = [
        row.mean(0), row.std(0), row.min(0), row.max(0), row[0], row[-1],
        *ordered[at], np.abs(row).mean(0), np.abs(changes).mean(0),
        np.sqrt((changes**2).mean(0)),
    ]  # fmt: skip
    return np.concatenate([*parts, [np.log1p(len(row))]])


@given(rows())
def test_they_are_those_of_each_row(each: list[Row]) -> None:
    found = statistics(steps_of(each)).numpy()
    assert found.shape == (len(each), 2 * STATISTICS + 1)
    np.testing.assert_allclose(found, np.stack([by_hand(row) for row in each]), atol=1e-5)


def test_a_row_without_steps_has_zeros() -> None:
    none, some = np.zeros((0, 2), np.float32), np.ones((3, 2), np.float32)
    found = statistics(steps_of([none, some, none])).numpy()
    np.testing.assert_array_equal(found[[0, 2]], 0.0)
    np.testing.assert_allclose(found[1], by_hand(some), atol=1e-6)
