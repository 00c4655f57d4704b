from __future__ import annotations

import numpy as np
from hypothesis import given

from tests.components.summaries.ragged import Row, rows, steps_of


@given(rows(least_steps=0))
def test_sums_and_means_are_those_of_each_row(each: list[Row]) -> None:
    steps = steps_of(each)
    sums = np.stack([row.sum(axis=0) for row in each])
    np.testing.assert_allclose(steps.sum(steps.values), sums, atol=1e-5)
    means = np.stack([row.mean(axis=0) if len(row) else np.zeros(2) for row in each])
    np.testing.assert_allclose(steps.mean(steps.values), means, atol=1e-5)


@given(rows(least_steps=0))
def test_a_value_of_a_row_is_repeated_at_its_steps(each: list[Row]) -> None:
    numbers = np.arange(len(each), dtype=np.float32)
    expected = np.repeat(numbers, [len(row) for row in each])
    np.testing.assert_array_equal(steps_of(each).of_rows(numbers), expected)


@given(rows(least_steps=0))
def test_differences_do_not_cross_rows(each: list[Row]) -> None:
    expected = np.concatenate([np.diff(row, axis=0, prepend=row[:1]) for row in each])
    np.testing.assert_array_equal(steps_of(each).differences(), expected)
