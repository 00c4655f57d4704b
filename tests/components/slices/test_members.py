"""Which rows are in which slice: by value, by range, by expression."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as np_st

from components.features.sliceable import Column
from components.gate_config import SliceConfig
from components.slice_expression import Known, seconds_of
from components.slices.members import MOST_VALUES, count_values, slices_of

COLUMNS = {
    "customer": Column("customer", Known("text")),
    "age": Column("age", Known("number")),
    "stamp": Column("stamp", Known("number"), subtracted=1e6),
    "kind": Column("kind", Known("whole number", 0, 9)),
    "length": Column("length", Known("whole number", 1, 1000)),
    "time": Column("time", Known("time")),
}
VALUES: dict[str, Any] = {
    "customer": np.array([b"A", b"B", b"A", "ö".encode(), b"A", b""], object),
    "age": np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5], np.float32),
    "stamp": np.array([-1, 0, 1, 2, 3, 4], np.float32),
    "kind": np.array([0, 1, 1, 2, 2, 2]),
    "length": np.array([5, 10, 50, 99, 100, 7]),
    "time": np.array([seconds_of(f"2026-01-0{day}") for day in range(1, 7)], np.int64),
}


def found(entry: SliceConfig) -> dict[str, list[int]]:
    return {each.name: each.rows.tolist() for each in slices_of(entry, COLUMNS, VALUES)}


def test_each_value_is_a_slice_the_commonest_first() -> None:
    assert found(SliceConfig(by="customer")) == {
        "customer: A": [0, 2, 4],
        'customer: ""': [5],
        "customer: B": [1],
        "customer: ö": [3],
    }
    assert list(found(SliceConfig(by="kind"))) == ["kind: 2", "kind: 1", "kind: 0"]


def test_a_range_holds_its_lower_end_and_not_its_upper_one() -> None:
    assert found(SliceConfig(by="length", edges=(10, 100))) == {
        "length: below 10": [0, 5],
        "length: 10 to below 100": [1, 2, 3],
        "length: 100 and more": [4],
    }


def test_times_are_named_as_days() -> None:
    assert found(SliceConfig(by="time", edges=("2026-01-03", "2026-01-05T12:00"))) == {
        "time: below 2026-01-03": [0, 1],
        "time: 2026-01-03 to below 2026-01-05 12:00": [2, 3, 4],
        "time: 2026-01-05 12:00 and later": [5],
    }


def test_quantiles_have_as_many_rows_each_and_say_from_what_to_what() -> None:
    slices = list(slices_of(SliceConfig(by="length", quantiles=3), COLUMNS, VALUES))
    assert [(each.name, each.range, len(each.rows)) for each in slices] == [
        ("length: part 1 of 3", "5 to 7", 2),
        ("length: part 2 of 3", "10 to 50", 2),
        ("length: part 3 of 3", "99 to 100", 2),
    ]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ('customer == "A" and length >= 50', [2, 4]),
        ("customer in ['B', 'ö'] or kind == 0", [0, 1, 3]),
        # As float32 the numbers are others than as float64.
        ("age == 0.1", [0]),
        ("age <= 0.3", [0, 1, 2]),
        ("time >= '2026-01-05'", [4, 5]),
        # What `subtract` took away is no concern of whoever writes a slice.
        ("stamp > 1000001", [3, 4, 5]),
        ("kind == 7", []),
    ],
)
def test_an_expression_holds_of_the_values_in_the_rows(where: str, rows: list[int]) -> None:
    assert found(SliceConfig(where=where, name="mine")) == {"mine": rows}


def test_what_was_subtracted_is_added_to_what_a_reader_sees() -> None:
    (low, high) = slices_of(SliceConfig(by="stamp", edges=(1e6 + 2,)), COLUMNS, VALUES)
    assert (low.rows.tolist(), high.rows.tolist()) == ([0, 1, 2], [3, 4, 5])
    assert low.range == "999999 to 1000001"


def test_of_very_many_values_the_commonest_come_and_the_others_are_counted() -> None:
    values = {"customer": np.array([str(i).encode() for i in range(70)] + [b"69"] * 3, object)}
    entry = SliceConfig(by="customer")
    slices = list(slices_of(entry, COLUMNS, values))
    assert len(slices) == MOST_VALUES
    assert slices[0].name == "customer: 69"
    assert count_values(entry, COLUMNS, values) == 70


NUMBERS = np_st.arrays(
    np.float32, st.integers(1, 60), elements=st.floats(-4, 4, width=32).map(lambda x: round(x, 1))
)


@given(NUMBERS, st.integers(2, 8))
def test_quantiles_part_the_rows_and_none_is_empty(numbers: Any, quantiles: int) -> None:
    slices = list(slices_of(SliceConfig(by="age", quantiles=quantiles), COLUMNS, {"age": numbers}))
    rows = np.concatenate([each.rows for each in slices])
    assert sorted(rows.tolist()) == list(range(len(numbers)))
    assert all(len(each.rows) for each in slices)
    assert 1 <= len(slices) <= quantiles
    ends = [(numbers[each.rows].min(), numbers[each.rows].max()) for each in slices]
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ends))


@given(NUMBERS, st.lists(st.integers(-5, 5), min_size=1, max_size=4, unique=True).map(sorted))
def test_edges_part_the_rows(numbers: Any, edges: list[int]) -> None:
    entry = SliceConfig(by="age", edges=tuple(edges))
    slices = list(slices_of(entry, COLUMNS, {"age": numbers}))
    assert len(slices) == len(edges) + 1
    rows = np.concatenate([each.rows for each in slices])
    assert sorted(rows.tolist()) == list(range(len(numbers)))


@given(NUMBERS)
def test_each_row_is_in_the_slice_of_its_value(numbers: Any) -> None:
    kinds = numbers.astype(np.int64) + 4
    slices = list(slices_of(SliceConfig(by="kind"), COLUMNS, {"kind": kinds}))
    assert sum(len(each.rows) for each in slices) == len(kinds)
    for each in slices:
        assert {f"kind: {value}" for value in kinds[each.rows]} == {each.name}
