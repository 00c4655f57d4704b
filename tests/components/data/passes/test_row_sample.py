"""The sample is that of all rows, whatever the parts; what is kept of a row is its own."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.passes.row_sample import (
    COLUMNS,
    KEY,
    LABEL,
    LENGTH,
    SAMPLE,
    SAMPLED_ROWS,
    Aspect,
    RowSample,
    find_sample,
    is_complete,
    key_limit,
    merge_samples,
    write_sample,
)
from components.data.row_parsing import Row, parse_row
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import MIXED, MIXED_FORM, mixed_row


def sample_of(numbers: list[int], size: int = 2_000) -> RowSample:
    sample = RowSample(size)
    for number in numbers:
        row = parse_row(mixed_row(number), MIXED_FORM)
        assert isinstance(row, Row)
        sample.add(row, row.labels or (), MIXED)
    return sample


@given(st.lists(st.integers(0, 200), unique=True, max_size=40), st.integers(0, 40),
       st.integers(1, 12))  # fmt: skip
def test_samples_of_parts_merge_into_that_of_the_whole(
    numbers: list[int], cut: int, size: int
) -> None:
    parts = [sample_of(each, size).table() for each in (numbers[cut:], numbers[:cut])]
    merged = merge_samples(parts, size)
    if not numbers:
        assert merged is None
        return
    whole = sample_of(numbers, size)
    assert merged is not None
    assert merged.equals(whole.table())
    assert len(merged) == whole.rows == min(size, len(numbers))
    # The smallest hashes of all.
    every = sorted(sample_of(numbers).table().column(KEY).to_pylist())
    assert merged.column(KEY).to_pylist() == every[:size]


def values(table: pa.Table, aspect: Aspect) -> list[object]:
    found: list[object] = table.column(aspect.column).to_pylist()
    return found


def test_of_a_row_its_summaries_and_one_step_are_kept() -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric", width=2)})
    steps = np.array([[1, 10], [2, 10], [6, 40]], np.float32)
    sample = RowSample()
    sample.add(Row("a", ("l",), 3, {"x": steps}), ("l",), features)
    table = sample.table()
    assert values(table, LENGTH) == [[3.0]]
    assert values(table, LABEL) == ["l"]
    assert values(table, Aspect("x", "mean")) == [[3.0, 20.0]]
    assert values(table, Aspect("x", "deviation")) == [
        steps.astype(np.float64).std(axis=0).tolist()
    ]
    assert values(table, Aspect("x", "change")) == [[2.5, 15.0]]
    (value,) = values(table, Aspect("x", "value"))
    assert value in steps.tolist()


def test_the_step_that_is_kept_may_be_any() -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric")})
    steps = np.arange(4, dtype=np.float32)[:, None]
    sample = RowSample()
    for number in range(200):
        sample.add(Row(str(number), ("l",), 4, {"x": steps}), ("l",), features)
    seen = [one[0] for one in sample.table().column(Aspect("x", "value").column).to_pylist()]
    assert set(seen) == {0.0, 1.0, 2.0, 3.0}


def test_a_wide_vector_is_cut_and_a_single_step_has_no_change() -> None:
    features = FeaturesConfig({"x": NumericFeature(kind="numeric", width=COLUMNS + 5)})
    sample = RowSample()
    row = Row("a", ("l",), 1, {"x": np.ones((1, COLUMNS + 5), np.float32)})
    sample.add(row, ("l",), features)
    (change,) = sample.table().column(Aspect("x", "change").column).to_pylist()
    assert change == [0.0] * COLUMNS


def test_it_is_found_where_it_was_written(tmp_path: Path) -> None:
    assert find_sample(tmp_path) is None
    sample = sample_of([1, 2, 3]).table()
    write_sample(sample, tmp_path / SAMPLE)
    found = find_sample(tmp_path)
    assert found is not None
    assert found.equals(sample)
    # By the names that the rows have, and not by aliases.
    assert any(json.loads(name)[0] == "Läden" for name in found.column_names if name[0] == "[")


def test_a_sample_says_whether_it_has_all_rows(tmp_path: Path) -> None:
    assert is_complete(sample_of(list(range(10)), 10).table())
    assert not is_complete(sample_of(list(range(11)), 10).table())
    halves = [sample_of(list(range(8)), 10).table(), sample_of(list(range(8, 16)), 10).table()]
    assert all(map(is_complete, halves))
    merged = merge_samples(halves, 10)
    assert merged is not None
    assert not is_complete(merged)
    write_sample(halves[0], tmp_path / SAMPLE)
    found = find_sample(tmp_path)
    assert found is not None
    assert is_complete(found)


def test_of_many_rows_only_those_are_looked_at_that_may_be_sampled() -> None:
    assert key_limit(4 * SAMPLED_ROWS) is None
    limit = key_limit(40 * SAMPLED_ROWS)
    assert limit is not None
    assert int.from_bytes(limit[:8], "big") / 2**64 == pytest.approx(0.1)
    every, below = RowSample(), RowSample(limit=limit)
    for number in range(300):
        row = parse_row(mixed_row(number), MIXED_FORM)
        assert isinstance(row, Row)
        for sample in (every, below):
            sample.add(row, row.labels or (), MIXED)
    keys = every.table().column(KEY).to_pylist()
    assert below.table().column(KEY).to_pylist() == [key for key in keys if key <= limit]
    assert 10 < below.rows < 60
    assert not below.is_complete
