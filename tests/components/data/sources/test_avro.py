"""What Avro files have that other tables have not: its own types, and blocks."""

from __future__ import annotations

import datetime
import decimal
from pathlib import Path

import fastavro
import pytest

from components.config import ColumnsConfig
from components.data.sources.column_guess import guess_columns
from components.data.sources.formats import source_of
from components.errors import DataError

SCHEMA = fastavro.parse_schema(
    {
        "type": "record",
        "name": "row",
        "fields": [
            {"name": "key", "type": "bytes"},
            {"name": "class", "type": {"type": "enum", "name": "c", "symbols": ["A", "B"]}},
            {"name": "day", "type": {"type": "int", "logicalType": "date"}},
            {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 6,
                                       "scale": 2}},
            {"name": "x", "type": {"type": "array", "items": "double"}},
        ],
    }
)  # fmt: skip


def write(folder: Path) -> Path:
    row = {
        "key": b"r1", "class": "A", "day": datetime.date(2030, 1, 2),
        "price": decimal.Decimal("12.50"), "x": [1.0, float("nan")],
    }  # fmt: skip
    path = folder / "rows.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [row])
    return path


def test_values_are_plain_and_the_columns_are_guessed(tmp_path: Path) -> None:
    source = source_of(str(write(tmp_path)))
    columns = guess_columns(source, "key", None)
    assert columns == ColumnsConfig(id="key", label="class")
    source = source_of(source.path, columns)
    (record,) = [record for chunk in source.chunks() for record in chunk.records()]
    assert record.values == {
        "id": "r1",
        "label": "A",
        "context": {"day": "2030-01-02", "price": 12.5},
        "sequence": {"x": [1.0, None]},
    }


@pytest.mark.parametrize("content", [b"", b"no avro", b"Obj\x01"])
def test_what_is_no_avro_file_is_told_in_one_sentence(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rows.avro"
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no whole Avro file"):
        guess_columns(source_of(str(path)), None, None)
    with pytest.raises(DataError, match="is no whole Avro file"):
        list(source_of(str(path)).chunks())


def test_a_damaged_block_is_told(tmp_path: Path) -> None:
    path = write(tmp_path)
    source = source_of(str(path), ColumnsConfig(id="key", label="class"))
    (chunk,) = source.chunks()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DataError, match="is no whole Avro file"):
        list(chunk.records())
