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
        ([[1, None]], "whole"),
        ([[None, 1.5]], "number"),
        ([[[1, None], None]], "vector"),
        ([[None]], "other"),
        ([["a", None]], "text"),
    ],
)
def test_most_rows_decide_the_class(values: list[Any], expected: ValueClass) -> None:
    assert observed(*values).value_class == expected


def test_distinct_values_and_widths_are_collected() -> None:
    assert observed([1, 2], [2, 3]).values == {1, 2, 3}
    assert observed([[1, 2]], [[1, 2], [3]]).widths == {2: 2, 1: 1}


def test_nulls_among_numbers_are_counted() -> None:
    assert (observed([1, None], [None, 2.5]).nulls, observed([1, None]).numbers) == (2, 1)
    assert (observed(["a", None]).nulls, observed(["a", None]).numbers) == (1, 1)
    assert observed([[1, None], [2, 3]]).nulls == 1


@pytest.mark.parametrize(
    ("values", "varies"),
    [([[1, 1], [1]], False), ([[1], [2]], True), ([["a", None, "a"]], False), ([[None]], False),
     ([[[1, 2], [1, 2]]], False), ([[[1, 2], [1, 3]]], True)],
)  # fmt: skip
def test_a_feature_that_has_one_value_does_not_vary(values: list[Any], varies: bool) -> None:
    assert observed(*values).varies is varies


def test_numbers_of_the_context_are_summed_also_those_that_no_float_holds() -> None:
    seen = Observed("context")
    seen.add(1)
    seen.add(2.5)
    assert seen.total == 3.5
    seen.add(10**400)
    assert 1e299 < seen.total < 1e301


@pytest.mark.parametrize(
    ("values", "merges"),
    [
        ([[1.7e9, 1.7e9 + 1, 1.7e9 + 2]], True),
        ([[[1.7e9, 1], [1.7e9 + 1, 2]]], True),
        ([[1, 2, 3, 1e-9]], False),
        ([[5, 5]], False),
        ([[10**400, 1]], False),
    ],
)
def test_numbers_that_float32_cannot_tell_apart_are_noticed(
    values: list[Any], merges: bool
) -> None:
    assert observed(*values).merges is merges


def test_values_of_the_context_are_compared_from_row_to_row() -> None:
    seen = Observed("context")
    for second in range(10):
        seen.add(1.7e9 + second)
    assert (seen.changes, seen.merged, seen.merges) == (9, 9, True)
