"""Numbers: their check, type, transform and column."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from components.features.checks import InvalidValueError
from components.features.kind import ValueType
from components.features.numeric import NumericFeature

PLAIN = NumericFeature(kind="numeric")
WIDE = NumericFeature(kind="numeric", width=2)


def test_a_vector_of_numbers_is_its_type_before_and_after() -> None:
    assert WIDE.raw == WIDE.transformed == ValueType("float32", (2,))
    assert (WIDE.raw.values_per_step, WIDE.raw.is_list) == (2, True)
    assert (PLAIN.raw.values_per_step, PLAIN.raw.is_list) == (1, False)


@pytest.mark.parametrize(
    ("feature", "steps", "values"),
    [
        (PLAIN, [1, 2.5], [1, 2.5]),
        (PLAIN, [[1], [2.5]], [1, 2.5]),
        (WIDE, [[1, 2], [3, 4]], [1, 2, 3, 4]),
    ],
)
def test_the_numbers_of_all_steps_are_laid_in_a_row(
    feature: NumericFeature, steps: list[Any], values: list[Any]
) -> None:
    assert feature.check(steps) == values


@pytest.mark.parametrize(
    ("feature", "steps", "fault"),
    [
        (PLAIN, [1, True], ("holds something that is not a number", "a boolean", 1)),
        (PLAIN, [1, [2]], ("has a step that is not a list", "a whole number", 0)),
        (WIDE, [[1, 2], [3]], ("has a wrong width", "1 instead of 2", 1)),
        (WIDE, [[1, 2], [3, "4"]], ("holds something that is not a number", "a string", 1)),
    ],
)
def test_a_fault_is_named_with_its_step(
    feature: NumericFeature, steps: list[Any], fault: tuple[str, str, int]
) -> None:
    with pytest.raises(InvalidValueError) as caught:
        feature.check(steps)
    assert (caught.value.problem, caught.value.detail, caught.value.step) == fault


def test_only_what_is_scaled_has_a_largest_number() -> None:
    assert PLAIN.largest_number == 1e18
    assert NumericFeature(kind="numeric", normalize="none").largest_number is None


def test_what_is_not_scaled_stays_as_it_is() -> None:
    values = tf.zeros([3, 1])
    assert NumericFeature(kind="numeric", normalize="none").transform(values, "x") is values


@pytest.mark.parametrize("is_sequence", [True, False])
def test_the_column_takes_the_width(is_sequence: bool) -> None:
    column = WIDE.column("x", None, is_sequence)
    assert (column.key, column.shape) == ("x", (2,))
