"""The type of a step's value, and what a kind need not say."""

from __future__ import annotations

from components.features.ids import IdFeature
from components.features.kind import ValueType


def test_a_vector_of_one_number_is_no_list_in_json() -> None:
    single, one, three = (
        ValueType("int64"),
        ValueType("float32", (1,)),
        ValueType("float32", (3,)),
    )
    assert [one.values_per_step for one in (single, one, three)] == [1, 1, 3]
    assert [one.is_list for one in (single, one, three)] == [False, False, True]


def test_a_kind_without_a_transform_passes_its_values_on() -> None:
    feature = IdFeature(kind="id", size=3)
    values = object()
    assert feature.transform(values, "x") is values
    assert feature.transformed == feature.raw
    assert feature.largest_number is None
    assert feature.placement_fault(is_sequence=True) is None
