"""Converting a data set: whole or not at all, and once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.quality.formats import Row
from benchmarks.quality.prepare import convert
from benchmarks.quality.sets import ROOT, SETS, DataSet


def _row(key: str) -> Row:
    return {"id": key, "label": "a", "context": {}, "sequence": {"x": [0.1]}}


def test_both_splits_are_written_as_lines_of_json(tmp_path: Path) -> None:
    one = DataSet("tiny", lambda test: iter([_row("test" if test else "train")]))
    convert(one, tmp_path / "tiny")
    for split in ("train", "test"):
        text = (tmp_path / "tiny" / f"{split}.jsonl").read_text()
        assert text == f'{{"id":"{split}","label":"a","context":{{}},"sequence":{{"x":[0.1]}}}}\n'


def test_a_source_that_cannot_be_read_leaves_nothing(tmp_path: Path) -> None:
    def split(test: bool) -> Iterator[Row]:
        yield _row("first")
        if test:
            raise ValueError("damaged")

    with pytest.raises(ValueError, match="damaged"):
        convert(DataSet("tiny", split), tmp_path / "tiny")
    assert not list(tmp_path.iterdir())


def test_what_is_converted_is_left_alone(tmp_path: Path) -> None:
    convert(DataSet("tiny", lambda test: iter([_row("old")])), tmp_path / "tiny")
    convert(DataSet("tiny", lambda test: iter([_row("new")])), tmp_path / "tiny")
    assert "old" in (tmp_path / "tiny" / "train.jsonl").read_text()


def test_the_surnames_need_no_wheel_and_split_as_the_example_does() -> None:
    trained, tested = (list(SETS["Surnames"].split(test)) for test in (False, True))
    assert (len(trained), len(tested)) == (2668, 691)
    assert (ROOT / "examples" / "surnames.csv").is_file()
