"""Rows that a query gives, from a real PostgreSQL and from SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy

from components.config import ColumnsConfig, DataConfig
from components.data.rows import find_rows
from components.data.sources.column_guess import guess_columns
from components.data.sources.formats import source_of
from components.data.sources.source import Record
from components.errors import DataError, NotFoundError

pytestmark = pytest.mark.slow
pytest_plugins = ["tests.components.mlflow_fixtures"]

TABLES = """
CREATE TABLE readings (device text, state text, at timestamp, pulse double precision, age int);
INSERT INTO readings
SELECT 'd' || mod(n, 40), CASE WHEN mod(n, 2) = 0 THEN 'on' ELSE 'off' END,
       timestamp '2026-01-01' + n * interval '1 second', mod(n, 2) + n / 1000.0, mod(n, 40)
FROM generate_series(0, 199) AS n ORDER BY random();
CREATE TABLE traces (id uuid, label text, x double precision[], cost numeric);
INSERT INTO traces VALUES
  ('00000000-0000-0000-0000-00000000000b', 'a', '{1, 2.5}', 1.5),
  ('00000000-0000-0000-0000-00000000000a', 'b', '{3}', NULL);
"""


@pytest.fixture(scope="module")
def database(postgresql: str) -> Iterator[str]:
    """The address of a database with both tables."""
    engine = sqlalchemy.create_engine(postgresql)
    with engine.begin() as connection:
        connection.exec_driver_sql(TABLES)
    yield postgresql
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE readings, traces")
    engine.dispose()


def query(folder: Path, database: str, text: str) -> str:
    path = folder / "rows.sql"
    path.write_text(f"-- database: {database}\n{text};\n")
    return str(path)


def records(path: str, columns: ColumnsConfig) -> list[Record]:
    source = source_of(path, columns)
    return [record for chunk in source.chunks() for record in chunk.records()]


def test_lines_of_an_id_are_one_row_in_the_order_of_time(database: str, tmp_path: Path) -> None:
    path = query(tmp_path, database, "SELECT * FROM readings")
    columns = ColumnsConfig(id="device", label="state", time="at", context=("age",))
    found = records(path, columns)
    assert len(found) == 40
    first = next(record.values for record in found if record.values["id"] == "d7")
    assert first["label"] == "off"
    assert first["context"] == {"age": 7}
    assert first["sequence"]["pulse"] == pytest.approx([1.007, 1.047, 1.087, 1.127, 1.167])


def test_arrays_are_sequences_and_other_types_are_plain(database: str, tmp_path: Path) -> None:
    path = query(tmp_path, database, "SELECT * FROM traces")
    assert [record.values for record in records(path, ColumnsConfig())] == [
        {
            "id": "00000000-0000-0000-0000-00000000000a",
            "label": "b",
            "context": {"cost": None},
            "sequence": {"x": [3.0]},
        },
        {
            "id": "00000000-0000-0000-0000-00000000000b",
            "label": "a",
            "context": {"cost": 1.5},
            "sequence": {"x": [1.0, 2.5]},
        },
    ]


def test_the_columns_are_guessed_and_the_digest_is_that_of_the_rows(
    database: str, tmp_path: Path
) -> None:
    names = "device AS id, state AS label, at AS time, pulse, age"

    def digest(which: str) -> str:
        path = query(tmp_path, database, f"SELECT {names} FROM readings {which}")
        columns = guess_columns(source_of(path), None, None)
        assert columns == ColumnsConfig(time="time", context=("age",))
        return find_rows(DataConfig(train=path, columns=columns)).digest

    assert digest("ORDER BY pulse") == digest("ORDER BY pulse DESC") == digest("")
    assert digest("WHERE age <> 1") != digest("")


def test_sqlite_answers_too(tmp_path: Path) -> None:
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/rows.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (id int, label text, step int, x real)")
        connection.exec_driver_sql("INSERT INTO t VALUES (1, 'a', 2, 0.5), (1, 'a', 1, 0.25)")
    engine.dispose()
    path = query(tmp_path, f"sqlite:///{tmp_path}/rows.db", "SELECT * FROM t")
    (found,) = records(path, ColumnsConfig(time="step"))
    assert found.values["sequence"] == {"x": [0.25, 0.5]}


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("SELECT 1", DataError, "does not say which database it is for"),
        ("-- database: nothing\nSELECT 1", DataError, "names no database that can be reached"),
        ("-- database: sqlite://\nSELECT x FROM nowhere", NotFoundError, "no such table: nowhere"),
        ("-- database: sqlite:////no/such/folder/x.db\nSELECT 1", NotFoundError, "unable to open"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(
    text: str, error: type[Exception], words: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.sql"
    path.write_text(text)
    with pytest.raises(error, match=words):
        records(str(path), ColumnsConfig())


def test_a_query_without_rows_has_its_columns(database: str, tmp_path: Path) -> None:
    path = query(tmp_path, database, "SELECT * FROM traces WHERE false")
    assert records(path, ColumnsConfig()) == []
