"""What `init` takes a table's columns for."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.config import ColumnsConfig
from components.data.sources.column_guess import guess_columns
from components.data.sources.formats import source_of
from components.data.sources.source import Source
from components.errors import DataError


def csv(folder: Path, text: str) -> Source:
    (folder / "rows.csv").write_text(text)
    return source_of(str(folder / "rows.csv"))


def test_names_in_any_capitals_are_known(tmp_path: Path) -> None:
    pq.write_table(pa.table({"ID": ["a"], "Class": ["x"], "v": [[1.0]]}), tmp_path / "a.parquet")
    found = guess_columns(source_of(str(tmp_path / "a.parquet")), None, None)
    assert found == ColumnsConfig(id="ID", label="Class")


def test_of_one_line_a_step_the_time_and_what_is_the_same_are_found(tmp_path: Path) -> None:
    text = "id,timestamp,x,site,label\na,1,1,north,u\na,2,1,north,u\nb,1,1,south,v\nb,2,2,south,v\n"
    found = guess_columns(csv(tmp_path, text), None, None)
    assert found == ColumnsConfig(time="timestamp", context=("site",))


def test_of_one_line_a_row_neither_is(tmp_path: Path) -> None:
    text = "id,time,t1,t2,t3,label\na,9,1,2,3,u\nb,8,1,2,3,v\n"
    assert guess_columns(csv(tmp_path, text), None, None) == ColumnsConfig()


def test_a_table_without_ids_is_numbered(tmp_path: Path) -> None:
    found = guess_columns(csv(tmp_path, "label,t1,t2,t3\nu,1,2,3\n"), None, None)
    assert found == ColumnsConfig(id=None)


def test_a_person_may_name_them(tmp_path: Path) -> None:
    source = csv(tmp_path, "who,what,t1,t2,t3\na,u,1,2,3\n")
    assert guess_columns(source, "who", "what") == ColumnsConfig(id="who", label="what")
    with pytest.raises(DataError, match="no column 'id2'; it has who, what, t1, t2, t3"):
        guess_columns(source, "id2", "what")
    with pytest.raises(DataError, match=r"no column named label; name the one .* --label COLUMN"):
        guess_columns(source, None, None)


def test_json_lines_have_no_columns(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n")
    found = guess_columns(source_of(str(tmp_path / "rows.jsonl")), None, None)
    assert found == ColumnsConfig()
