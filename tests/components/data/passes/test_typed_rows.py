"""Rows come back from their file as they were read, with the places that were written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from components.data.arrow import rows_of
from components.data.passes import typed_rows
from components.data.passes.typed_rows import NO_SPLIT, Key, TypedRows
from components.data.row_parsing import Row, parse_row
from tests.components.conftest import MIXED, MIXED_FORM, mixed_row


def parsed(count: int) -> list[Row]:
    found = [parse_row(mixed_row(number), MIXED_FORM) for number in range(count)]
    return [row for row in found if isinstance(row, Row)]


def test_rows_come_back_in_order_in_batches_that_rows_and_steps_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = parsed(25)
    steps = rows[0].steps + rows[1].steps
    for limits in ({"BATCH_ROWS": 10}, {"BATCH_STEPS": steps}):
        with monkeypatch.context() as patch:
            for name, limit in limits.items():
                patch.setattr(typed_rows, name, limit)
            typed = TypedRows(str(tmp_path), 3)
            written = typed.write(enumerate(rows), MIXED)
        batches = list(typed.batches())
        assert written.rows == len(rows)
        assert written.size_bytes > sum(row.steps for row in rows)
        assert [row.id for batch in batches for row in rows_of(batch, MIXED)] == [
            row.id for row in rows
        ]
        assert batches[0].num_rows == (10 if "BATCH_ROWS" in limits else 2)


def test_each_row_has_the_place_and_the_classes_that_were_written(tmp_path: Path) -> None:
    typed = TypedRows(str(tmp_path), 0)
    typed.write(enumerate(parsed(3)), MIXED)
    typed.write_places([(np.array([0, NO_SPLIT, 2], np.int8), [("a",), ("b", "c"), ()])])
    (batch,) = typed.placed_batches()
    assert batch.of("train").tolist() == [True, False, False]
    assert batch.of("test").tolist() == [False, False, True]
    assert batch.labels.to_pylist() == [["a"], ["b", "c"], []]


def test_rows_are_named_by_their_ids_and_numbers_whatever_batch_they_are_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(typed_rows, "BATCH_ROWS", 2)
    rows = parsed(5)
    typed = TypedRows(str(tmp_path), 0)
    typed.write([(100 + at, row) for at, row in enumerate(rows)], MIXED)
    assert typed.keys(np.array([4, 1])) == [Key(rows[4].id, 104), Key(rows[1].id, 101)]


def test_a_chunk_without_a_valid_row_has_no_file(tmp_path: Path) -> None:
    typed = TypedRows(str(tmp_path), 0)
    assert typed.write([], MIXED) == (0, 0)
    typed.write_places([])
    assert list(typed.placed_batches()) == []
    assert list(tmp_path.iterdir()) == []
