"""Parquet and Arrow files: the columns of a table are the fields of a row, whatever wrote them."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.config import ColumnsConfig
from components.data.row_parsing import Expected, InvalidRow, Row, RowFormat
from components.data.sources.columnar import plain_values
from components.data.sources.formats import source_of
from components.data.sources.source import Record, Source
from components.errors import DataError

ROWS = [
    {"id": f"r{n}", "label": "ab"[n % 2], "age": n, "x": [n + 0.5] * (n % 3 + 1)} for n in range(30)
]
FORM = RowFormat({"x": Expected("float32")}, {"age": Expected("int64")}, 100)


def _parquet(table: pa.Table, folder: Path) -> str:
    pq.write_table(table, folder / "rows.parquet", row_group_size=7)
    return str(folder / "rows.parquet")


def _arrow(table: pa.Table, folder: Path) -> str:
    feather.write_feather(table, str(folder / "rows.arrow"), chunksize=7)
    return str(folder / "rows.arrow")


def _avro(table: pa.Table, folder: Path) -> str:
    schema = fastavro.parse_schema(_avro_type(pa.struct(list(table.schema)), "row"))
    with (folder / "rows.avro").open("wb") as file:
        fastavro.writer(file, schema, table.to_pylist(), sync_interval=90)
    return str(folder / "rows.avro")


def _avro_type(kind: pa.DataType, name: str) -> Any:
    if pa.types.is_struct(kind):
        fields = [
            {"name": field.name, "type": ["null", _avro_type(field.type, f"{name}_{field.name}")]}
            for field in kind
        ]
        return {"type": "record", "name": name, "fields": fields}
    if pa.types.is_list(kind):
        return {"type": "array", "items": ["null", _avro_type(kind.value_type, name)]}
    known = {
        pa.string(): "string",
        pa.int64(): "long",
        pa.float64(): "double",
        pa.bool_(): "boolean",
    }
    return known.get(kind, "null")


Write = Callable[[pa.Table, Path], str]
FORMATS = pytest.mark.parametrize(
    "write", [_parquet, _arrow, _avro], ids=["parquet", "arrow", "avro"]
)


def records(source: Source, chunk_bytes: int = 1) -> list[Record]:
    return [record for chunk in source.chunks(chunk_bytes) for record in chunk.records()]


@FORMATS
def test_lists_are_sequences_and_single_values_the_context(write: Write, tmp_path: Path) -> None:
    found = records(source_of(write(pa.Table.from_pylist(ROWS), tmp_path)))
    assert [record.number for record in found] == list(range(1, 31))
    assert found[4].values == {
        "id": "r4",
        "label": "a",
        "context": {"age": 4},
        "sequence": {"x": [4.5, 4.5]},
    }
    assert all(isinstance(record.parse(FORM), Row) for record in found)


@FORMATS
def test_a_table_may_have_the_parts_of_a_json_row(write: Write, tmp_path: Path) -> None:
    row = {"id": "r", "label": "a", "context": {"age": 4}, "sequence": {"x": [1.0, None]}}
    (found,) = records(source_of(write(pa.Table.from_pylist([row]), tmp_path)))
    assert found.values == row


@FORMATS
@pytest.mark.parametrize("chunk_bytes", [1, 200, 1 << 20])
def test_every_row_is_in_one_chunk_however_large_they_are(
    write: Write, chunk_bytes: int, tmp_path: Path
) -> None:
    source = source_of(write(pa.Table.from_pylist(ROWS), tmp_path))
    found = records(source, chunk_bytes)
    assert [record.values["id"] for record in found] == [row["id"] for row in ROWS]
    assert [record.number for record in found] == list(range(1, 31))
    assert (len(list(source.chunks(chunk_bytes))) > 1) == (chunk_bytes < 1 << 20)


@FORMATS
def test_the_config_says_which_column_is_the_id_and_the_label(write: Write, tmp_path: Path) -> None:
    rows = [{"customer": 7, "churned": True, "x": [1.0], "note": "n"}]
    columns = ColumnsConfig(id="customer", label="churned")
    (found,) = records(source_of(write(pa.Table.from_pylist(rows), tmp_path), columns))
    assert found.values == {
        "id": 7, "label": True, "context": {"note": "n"}, "sequence": {"x": [1.0]},
    }  # fmt: skip


@FORMATS
def test_the_config_says_which_lists_are_no_sequences(write: Write, tmp_path: Path) -> None:
    rows = [{"id": "a", "label": "u", "x": [1.0], "position": [52.5, 13.4]}]
    columns = ColumnsConfig(context=("position",))
    (found,) = records(source_of(write(pa.Table.from_pylist(rows), tmp_path), columns))
    assert found.values["context"] == {"position": [52.5, 13.4]}
    assert found.values["sequence"] == {"x": [1.0]}


@FORMATS
def test_rows_without_ids_are_numbered(write: Write, tmp_path: Path) -> None:
    rows = [{"label": "a", "x": [1.0]}, {"label": "b", "x": [2.0]}]
    source = source_of(write(pa.Table.from_pylist(rows), tmp_path), ColumnsConfig(id=None))
    assert [record.values["id"] for record in records(source)] == ["rows-1", "rows-2"]


@FORMATS
def test_a_fault_is_of_its_row_alone_and_shows_it(write: Write, tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{**ROWS[0]}, {**ROWS[1], "x": None}, {**ROWS[2], "age": None}]
    found = records(source_of(write(pa.Table.from_pylist(rows), tmp_path)))
    parsed = [record.parse(FORM) for record in found]
    assert isinstance(parsed[0], Row)
    reasons = [each.reason for each in parsed[1:] if isinstance(each, InvalidRow)]
    assert reasons == ["x is missing", "age is missing"]
    assert found[1].excerpt.startswith('{"id":"r1","label":"b"')


@FORMATS
def test_a_damaged_file_is_told_in_one_sentence(write: Write, tmp_path: Path) -> None:
    path = Path(write(pa.Table.from_pylist(ROWS), tmp_path))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(
        DataError, match=r"ends in \.\w+, but is no whole (Parquet|Arrow|Avro) file"
    ):
        records(source_of(str(path)))
    path.write_bytes(b"{}\n" * 10)
    with pytest.raises(DataError, match="give it the name of what it is"):
        records(source_of(str(path)))


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (pa.array([1.5, float("nan"), None]), [1.5, None, None]),
        (pa.array([[1.0, float("nan")], None]), [[1.0, None], None]),
        (pa.array([[[1.0], [float("nan")]]]), [[[1.0], [None]]]),
        (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"]),
        (pa.array([b"a"]), ["a"]),
        (pa.array([decimal.Decimal("1.25")]), [1.25]),
        (pa.array([datetime.date(2030, 1, 2)]), ["2030-01-02"]),
        (pa.array([[1, 2]], pa.list_(pa.int32(), 2)), [[1, 2]]),
        (pa.array([["a", None]]), [["a", None]]),
        (pa.array([True]), [True]),
    ],
)
def test_values_are_those_of_json(column: pa.Array, expected: list[Any]) -> None:
    assert plain_values(column) == expected


@given(st.lists(st.lists(st.floats(width=32, allow_nan=False)), max_size=4))
def test_numbers_stay_the_same(values: list[list[float]]) -> None:
    assert plain_values(pa.array(values, pa.list_(pa.float32()))) == values


def test_columns_do_not_change_what_is_read_of_json_lines(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": 1}\n')
    source = source_of(str(tmp_path / "rows.jsonl"))
    assert records(replace(source, columns=ColumnsConfig(id=None))) == records(source)
