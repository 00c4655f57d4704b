"""What is remembered of a feature's values."""

from __future__ import annotations

from typing import Any

import pytest

from components.features.observed import Observed, ValueClass


def observed(*values: Any) -> Observed:
    seen = Observed("sequence")
    for value in values:
        seen.add(value)
    return seen


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([[1, 2]], "whole"),
        ([[1, 2], [1.5]], "number"),
        ([[1, 2.5]], "number"),
        ([["a"]], "text"),
        ([[[1, 2]]], "vector"),
        ([[[]]], "other"),
        ([[True]], "other"),
        ([["a"], ["b"], [1]], "text"),
    ],
)
def test_most_rows_decide_the_class(values: list[Any], expected: ValueClass) -> None:
    assert observed(*values).value_class == expected


def test_distinct_values_and_widths_are_collected() -> None:
    assert observed([1, 2], [2, 3]).values == {1, 2, 3}
    assert observed([[1, 2]], [[1, 2], [3]]).widths == {2: 2, 1: 1}
