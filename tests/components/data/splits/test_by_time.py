"""Rows that are split by their time, by their group, or by both."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.values import Split
from components.config import DataConfig, SplitConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.sources.source import Record
from components.data.splits.by_id import read_split_rows
from components.data.splits.by_time import Times, merge_times, read_times
from components.data.splits.rule import count_labels, split_rule
from components.data.splits.values import row_format
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import WriteRows

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})
DATA = DataConfig(train="rows", split=SplitConfig(group="customer"))
BOTH = DataConfig(train="rows", split=SplitConfig(group="customer", time="when"))
START = datetime(2026, 1, 1, tzinfo=UTC)


def parsed(values: dict[str, Any], form: RowFormat) -> Row | InvalidRow:
    return Record(1, b"", values).parse(form)


def row(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": f"row-{number}", "label": "ab"[number % 2], "sequence": {"x": [1.0]}, **more
    }  # fmt: skip


def splits_of(path: str, split: SplitConfig, **settings: Any) -> dict[str, Split]:
    """The split of each row by its id, as a run decides it, the rows being read in small parts."""
    data = DataConfig(train=path, split=split, **settings)
    form = row_format(FEATURES, data)
    chunks = chunks_of(find_rows(data), chunk_bytes=500)
    times = merge_times(read_times([chunk], form) for chunk in chunks) if split.time else None
    rule = split_rule(count_labels(chunks, form), data, times)
    found = {}
    for chunk in chunks:
        for _, name, each in read_split_rows(chunk, form, rule):
            assert isinstance(each, Row)
            assert name is not None
            found[each.id] = name
    return found


def test_the_newest_rows_are_the_test_split_and_those_before_them_validation(
    write_rows: WriteRows,
) -> None:
    path = write_rows([row(n, when=1_000 + (n * 37) % 100) for n in range(100)])
    found = splits_of(path, SplitConfig(time="when"))
    assert Counter(found.values()) == {"train": 65, "validation": 15, "test": 20}
    when = {f"row-{n}": 1_000 + (n * 37) % 100 for n in range(100)}
    by_time = [found[key] for key in sorted(found, key=when.__getitem__)]
    assert by_time == ["train"] * 65 + ["validation"] * 15 + ["test"] * 20


def test_days_count_back_from_the_newest_row(write_rows: WriteRows) -> None:
    days = [START + timedelta(days=n, hours=1) for n in range(60)]
    path = write_rows([row(n, context={"when": each.isoformat()}) for n, each in enumerate(days)])
    found = splits_of(path, SplitConfig(time="when", test_days=13.5, validation_days=7))
    assert [name for name in found.values() if name != "train"] == (
        ["validation"] * 7 + ["test"] * 14
    )


def test_rows_of_one_time_are_in_one_split(write_rows: WriteRows) -> None:
    path = write_rows([row(n, when=n // 30) for n in range(90)])
    found = splits_of(path, SplitConfig(time="when"))
    assert {name: count % 30 for name, count in Counter(found.values()).items()} == {
        "train": 0, "validation": 0, "test": 0,
    }  # fmt: skip


def test_a_file_of_its_own_takes_none_of_the_training_file(write_rows: WriteRows) -> None:
    path = write_rows([row(n, when=n) for n in range(50)])
    other = write_rows([row(100 + n, when=1) for n in range(5)], "test.jsonl")
    found = splits_of(path, SplitConfig(time="when"), test=other)
    assert Counter(found.values())["test"] == 5
    assert {found[f"row-{n}"] for n in range(43, 50)} == {"validation"}


@given(st.lists(st.integers(0, 20), min_size=30, max_size=120))
def test_all_rows_of_a_group_are_in_one_split(groups: list[int]) -> None:
    parts: dict[int, set[Split]] = defaultdict(set)
    form = row_format(FEATURES, DATA)
    rule = split_rule({}, DATA)
    for number, group in enumerate(groups):
        found = parsed(row(number, customer=group), form)
        assert isinstance(found, Row)
        parts[group].add(rule.split_of_row(found, found.labels[0] if found.labels else ""))
    assert all(len(names) == 1 for names in parts.values())


def test_small_classes_part_no_group(write_rows: WriteRows) -> None:
    """By ids each class would have a row in each split."""
    path = write_rows([row(n, customer="only") for n in range(12)])
    assert len(set(splits_of(path, SplitConfig(group="customer")).values())) == 1


def test_a_group_is_as_new_as_its_newest_row(write_rows: WriteRows) -> None:
    rows = [row(n, when=n, customer=f"c{n % 7}" if n < 80 else f"new-{n % 3}") for n in range(100)]
    found = splits_of(write_rows(rows), SplitConfig(group="customer", time="when"))
    parts = defaultdict(set)
    for each in rows:
        parts[each["customer"]].add(found[each["id"]])
    assert all(len(names) == 1 for names in parts.values())
    assert {next(iter(parts[f"new-{n}"])) for n in range(3)} == {"test"}


@given(st.lists(st.tuples(st.text(min_size=1), st.floats(-1e9, 1e9)), max_size=30), st.data())
def test_the_times_of_parts_are_those_of_the_whole(
    rows: list[tuple[str, float]], data: st.DataObject
) -> None:
    def times(part: list[tuple[str, float]]) -> Times:
        found = Times()
        for group, seconds in part:
            known = found.newest_of_group.get(group, seconds)
            found.newest_of_group[group] = max(known, seconds)
            found.newest = max(found.newest, seconds)
        return found

    cut = data.draw(st.integers(0, len(rows)))
    merged = merge_times([times(rows[:cut]), times(rows[cut:])])
    assert (merged.newest, merged.newest_of_group) == (
        times(rows).newest, times(rows).newest_of_group,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1_767_225_600, START.timestamp()),
        (1.5, 1.5),
        ("2026-01-01", START.timestamp()),
        ("2026-01-01T01:00:00+01:00", START.timestamp()),
        ("2026-01-01T00:00:00Z", START.timestamp()),
        (datetime(2026, 1, 1), START.timestamp()),
    ],
)
def test_a_time_is_iso_8601_or_seconds_and_without_a_zone_utc(value: Any, seconds: float) -> None:
    found = parsed(row(1, when=value, customer="c"), row_format(FEATURES, BOTH))
    assert isinstance(found, Row)
    assert found.seconds == seconds


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "'customer' is missing, by which rows are split"),
        ({"customer": ""}, "'customer' is missing, by which rows are split"),
        ({"customer": [1]}, "'customer' is neither a string nor a whole number: it is a list"),
        ({"customer": 1}, "'when' is missing, by which rows are split"),
        ({"customer": 1, "when": "soon"},
         "'when' is no time: expected ISO 8601 or seconds since 1970, got 'soon'"),
        ({"customer": 1, "when": True}, "'when' is no time: it is a boolean"),
        ({"customer": 1, "when": float("inf")}, "'when' is no time: it is a number"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_split_is_invalid(values: dict[str, Any], reason: str) -> None:
    found = parsed(row(1, **values), row_format(FEATURES, BOTH))
    assert isinstance(found, InvalidRow)
    assert found.reason == reason
