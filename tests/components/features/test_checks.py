"""Types are compared exactly, and a fault names its step."""

from __future__ import annotations

import pytest

from components.features.checks import InvalidValueError, check_types, first_index, json_type

NUMBERS = frozenset({int, float})


def test_a_boolean_is_no_number() -> None:
    check_types([1, 2.5], NUMBERS, "a number")
    with pytest.raises(InvalidValueError, match="holds something that is not a number") as caught:
        check_types([1, 2, 3, True], NUMBERS, "a number", values_per_step=2)
    assert (caught.value.detail, caught.value.step) == ("a boolean", 1)


def test_the_first_wrong_value_is_found() -> None:
    assert first_index([1, 5, 7], lambda value: value > 4) == 1
    assert first_index([1], lambda value: value > 4) is None


def test_every_json_value_has_a_name() -> None:
    values: list[object] = [None, True, 1, 1.5, "a", [], {}]
    assert len({json_type(value) for value in values}) == len(values)
