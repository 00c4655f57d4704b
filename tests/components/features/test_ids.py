"""Ids: their check, type, count and column."""

from __future__ import annotations

import pytest

from components.features.ids import IdFeature
from components.features.kind import ValueType

IDS = IdFeature(kind="id", size=5)


def test_an_id_is_a_whole_number_before_and_after() -> None:
    assert IDS.raw == IDS.transformed == ValueType("int64")


def test_ids_are_below_the_size() -> None:
    assert IDS.id_limit == 5


def test_there_are_as_many_ids_as_the_config_says() -> None:
    assert IDS.id_count("event", None) == 5
    assert IDS.column("event", 5, is_sequence=True).variable_shape.as_list()[-1] == 5


def test_what_stands_for_a_missing_id_is_an_id() -> None:
    assert IdFeature(kind="id", size=5, missing=4).filled_with == 4
    with pytest.raises(ValueError, match="missing: 5 is no id below size = 5"):
        IdFeature(kind="id", size=5, missing=5)


def test_whoever_inferred_ids_doubts_them() -> None:
    assert "whole numbers up to 4" in (IDS.doubt() or "")
