"""The suffix chooses the format, and a new format takes a class and an entry in the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.config import ColumnsConfig, DataConfig, PreprocessingConfig
from components.data.passes.survey import survey_rows
from components.data.proposal import propose
from components.data.row_parsing import RowFormat
from components.data.rows import find_rows
from components.data.sources import formats
from components.data.sources.formats import chunks_of, files_of, source_of
from components.data.sources.jsonl import JsonLines
from components.data.sources.source import CHUNK_BYTES, Chunk, Record, Source
from components.errors import DataError, NotFoundError
from components.features.numeric import NumericFeature
from tests.components.conftest import WriteRows


class JsonArray(Source):
    """A format for this test: one JSON array of all rows; a chunk is a range of its items."""

    layout = "one JSON array of objects"

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        rows = json.loads(Path(self.path).read_bytes())
        for start in range(0, len(rows), 10):
            yield Chunk(self, start, min(start + 10, len(rows)), start + 1)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        rows = json.loads(Path(self.path).read_bytes())[chunk.start : chunk.stop]
        for number, row in enumerate(rows, start=chunk.first_number):
            yield Record(number, json.dumps(row).encode(), row)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.JSONL", "rows", "rows.txt"])
def test_a_file_is_read_as_jsonl_unless_its_suffix_says_otherwise(name: str) -> None:
    assert source_of(name) == JsonLines(name)


def test_a_directory_stands_for_its_files_of_rows(tmp_path: Path) -> None:
    for name in ("b.parquet", "a.jsonl", "_SUCCESS", ".part.csv", "notes.txt"):
        (tmp_path / name).touch()
    assert files_of(str(tmp_path)) == [str(tmp_path / "a.jsonl"), str(tmp_path / "b.parquet")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFoundError, match="empty is a directory without a file of rows"):
        files_of(str(tmp_path / "empty"))


def test_a_pattern_stands_for_the_files_that_match(tmp_path: Path) -> None:
    for name in ("day-2.jsonl", "day-1.jsonl", "other.jsonl"):
        (tmp_path / name).touch()
    found = files_of(str(tmp_path / "day-*.jsonl"))
    assert found == [str(tmp_path / "day-1.jsonl"), str(tmp_path / "day-2.jsonl")]
    with pytest.raises(NotFoundError, match="matches no file"):
        files_of(str(tmp_path / "week-*.jsonl"))
    # A file that is there is meant, whatever its name.
    (tmp_path / "day-[1].jsonl").touch()
    assert files_of(str(tmp_path / "day-[1].jsonl")) == [str(tmp_path / "day-[1].jsonl")]


def test_several_files_are_one_split(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"id": name}) + "\n")
    found = find_rows(DataConfig(train=str(tmp_path)))
    assert [(Path(file.path).name, file.split) for file in found.files] == [
        ("a.jsonl", None), ("b.jsonl", None),
    ]  # fmt: skip
    assert [record.values["id"] for each in chunks_of(found) for record in each.records()] == [
        "a", "b",
    ]  # fmt: skip


def test_columns_with_other_meanings_make_other_rows(write_rows: WriteRows) -> None:
    path = write_rows(["{}"])
    usual, other = (
        find_rows(DataConfig(train=path, columns=columns))
        for columns in (ColumnsConfig(), ColumnsConfig(id=None))
    )
    assert usual.digest != other.digest
    assert [chunk.source.columns.id for chunk in chunks_of(other)] == [None]


def test_a_file_that_changed_since_it_was_found_is_refused(write_rows: WriteRows) -> None:
    rows = find_rows(DataConfig(train=write_rows(["{}"])))
    write_rows(["[]"])
    with pytest.raises(DataError, match=r"rows\.jsonl has changed since this run began"):
        chunks_of(rows)


def test_chunks_carry_the_split_of_their_file(write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(["{}"]), test=write_rows(["[]"], "test.jsonl"))
    assert [chunk.split for chunk in chunks_of(find_rows(data))] == [None, "test"]


def test_a_new_format_takes_one_class_and_one_entry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "FORMATS", {**formats.FORMATS, ".array": JsonArray})
    rows: list[object] = [
        {"id": f"row-{n}", "label": "ab"[n % 2], "sequence": {"x": [n + 0.5]}} for n in range(60)
    ]
    rows[40] = {"id": "no sequence"}
    path = tmp_path / "rows.array"
    path.write_text(json.dumps(rows))
    data = DataConfig(train=str(path), bad_rows_allowed_fraction=0.1)

    found = propose(data)
    assert found.features.sequence == {"x": NumericFeature(kind="numeric")}
    assert "1 rows are invalid; the first is rows.array:41: 'sequence'" in found.notes[-1]

    survey = survey_rows(
        chunks_of(find_rows(data)), found.features, RowFormat.of(found.features, 10),
        data, PreprocessingConfig(), tmp_path,
    )  # fmt: skip
    assert (survey.profile.valid_count, survey.profile.invalid_count) == (59, 1)
    ((_, invalid),) = survey.profile.most_common_causes()
    assert invalid.first == "rows.array:41"
    (letters,) = (json.loads(each.read_text()) for each in survey.invalid_rows)
    assert (letters["source"], letters["line"]) == (str(path), 41)
