"""Ids: their check, type, count and column."""

from __future__ import annotations

from typing import Any

import pytest

from components.features.checks import InvalidValueError
from components.features.ids import IdFeature
from components.features.kind import ValueType

IDS = IdFeature(kind="id", size=5)


def test_an_id_is_a_whole_number_before_and_after() -> None:
    assert IDS.raw == IDS.transformed == ValueType("int64")


@pytest.mark.parametrize(
    ("steps", "problem"),
    [
        ([0, 1.0], "holds something that is not a whole number"),
        ([0, 5], "holds an id out of [0, 5)"),
        ([0, -1], "holds an id out of [0, 5)"),
    ],
)
def test_only_ids_in_the_range_are_taken(steps: list[Any], problem: str) -> None:
    assert IDS.check([0, 4]) == [0, 4]
    with pytest.raises(InvalidValueError) as caught:
        IDS.check(steps)
    assert (caught.value.problem, caught.value.step) == (problem, 1)


def test_there_are_as_many_ids_as_the_config_says() -> None:
    assert IDS.id_count("event", None) == 5
    assert IDS.column("event", 5, is_sequence=True).variable_shape.as_list()[-1] == 5


def test_whoever_inferred_ids_doubts_them() -> None:
    assert "whole numbers up to 4" in (IDS.doubt() or "")
