"""CSV files: a line a row, or a line a step, with the faults that exports have."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import ColumnsConfig
from components.data.row_parsing import Expected, InvalidRow, RowFormat
from components.data.sources.formats import source_of
from components.data.sources.source import Record
from components.errors import DataError

STEPS = """\
id,at,speed,gear,driver,label
a,2,20.5,two,ann,late
b,1,11,one,bob,early
a,1,10,one,ann,late
b,2,,two,bob,early
"""
TIMED = ColumnsConfig(time="at", context=("driver",))


def read(folder: Path, text: str | bytes, columns: ColumnsConfig | None = None) -> list[Record]:
    path = folder / "rows.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = source_of(str(path), columns or ColumnsConfig())
    return [record for chunk in source.chunks() for record in chunk.records()]


def test_the_lines_of_an_id_are_one_row_in_the_order_of_time(tmp_path: Path) -> None:
    first, second = read(tmp_path, STEPS, TIMED)
    assert first.values == {
        "id": "a",
        "label": "late",
        "context": {"driver": "ann"},
        "sequence": {"speed": [10.0, 20.5], "gear": ["one", "two"]},
    }
    assert second.values["sequence"] == {"speed": [11.0, None], "gear": ["one", "two"]}
    # The lines where the rows begin, and the rows in their order.
    assert (first.number, second.number) == (2, 3)


def test_without_a_column_of_times_the_lines_are_in_order(tmp_path: Path) -> None:
    first, _ = read(tmp_path, STEPS, ColumnsConfig(context=("driver",)))
    assert first.values["sequence"]["at"] == [2, 1]


def test_a_row_whose_lines_disagree_about_its_label_is_invalid(tmp_path: Path) -> None:
    text = STEPS.replace("a,1,10,one,ann,late", "a,1,10,one,ann,early")
    first, second = read(tmp_path, text, TIMED)
    assert isinstance(first.values, InvalidRow)
    assert first.values.reason == "label differs from line to line: 'early' and 'late'"
    assert second.values["id"] == "b"


def test_one_line_a_row_has_numbered_columns_as_a_sequence(tmp_path: Path) -> None:
    text = "id,label,age,t10,t2,t1\nx,up,41,3,2,1\ny,down,,,5,4\n"
    first, second = read(tmp_path, text)
    assert first.values == {
        "id": "x", "label": "up", "context": {"age": 41}, "sequence": {"t": [1, 2, 3]},
    }  # fmt: skip
    # A shorter row ends in empty cells.
    assert second.values["sequence"] == {"t": [4, 5]}
    assert second.values["context"] == {"age": None}


def test_ids_and_labels_stay_text(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "id,label,t1,t2,t3\n007,1,1,2,3\n")
    assert (row.values["id"], row.values["label"]) == ("007", "1")


def test_a_cell_that_is_no_number_spoils_its_row_alone(tmp_path: Path) -> None:
    lines = [f"r{n},a,1,2.5,{n}" for n in range(40)]
    lines[7] = "r7,a,1,oops,7"
    found = read(tmp_path, "\n".join(["id,label,t1,t2,t3", *lines]) + "\n")
    form = RowFormat({"t": Expected("float32")}, {}, 10)
    invalid = [record for record in found if isinstance(record.parse(form), InvalidRow)]
    assert [record.number for record in invalid] == [9]
    assert "oops" in invalid[0].excerpt


def test_a_line_with_another_number_of_cells_is_a_row_of_its_own_that_is_invalid(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, "id,label,t1,t2,t3\na,x,1,2,3\nb,x,1\nc,x,4,5,6\n")
    assert sorted(record.number for record in found) == [2, 3, 4]
    bad = next(record for record in found if isinstance(record.values, InvalidRow))
    assert (bad.number, bad.excerpt) == (3, "b,x,1")
    assert "3 instead of 5" in bad.values.reason


def test_tabs_separate_a_tsv(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("id\tlabel\tt1\tt2\tt3\na\tx,y\t1\t2\t3\n")
    (chunk,) = source_of(str(tmp_path / "rows.tsv")).chunks()
    (row,) = chunk.records()
    assert (row.values["label"], row.values["sequence"]) == ("x,y", {"t": [1, 2, 3]})


def test_a_byte_order_mark_and_cells_of_several_lines_are_read(tmp_path: Path) -> None:
    (row,) = read(tmp_path, b'\xef\xbb\xbfid,label,note,t1,t2,t3\na,x,"two\nlines",1,2,3\n')
    assert row.values["context"] == {"note": "two\nlines"}


@pytest.mark.parametrize(
    ("columns", "key"), [(ColumnsConfig(id="who"), "id"), (ColumnsConfig(time="when"), "time")]
)
def test_a_column_that_is_not_there_is_named_with_those_that_are(
    columns: ColumnsConfig, key: str, tmp_path: Path
) -> None:
    expected = rf"no column '\w+', which data\.columns\.{key} names; it has id, at, speed, gear"
    with pytest.raises(DataError, match=expected):
        read(tmp_path, STEPS, columns)


def test_another_encoding_is_told_with_the_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.csv ends in \.csv, but is no whole CSV file"):
        read(tmp_path, "id,label,t1\nä,x,1\n".encode("latin-1"))


@given(st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_order_of_the_lines_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, shuffler: random.Random, rows: int
) -> None:
    lines = [f"r{row},{step},{row * 10 + step},a" for row in range(rows) for step in range(4)]
    shuffler.shuffle(lines)
    text = "\n".join(["id,at,x,label", *lines]) + "\n"
    found = read(tmp_path_factory.mktemp("csv"), text, ColumnsConfig(time="at"))
    assert {record.values["id"]: record.values["sequence"]["x"] for record in found} == {
        f"r{row}": [row * 10 + step for step in range(4)] for row in range(rows)
    }
