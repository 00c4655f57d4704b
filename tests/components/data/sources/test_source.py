"""What holds for sources of any format: excerpts, locations of rows, files that cannot be read."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.sources.jsonl import JsonLines
from components.data.sources.source import Record
from components.errors import NotFoundError


def excerpt(text: bytes) -> str:
    return Record(1, text, None).excerpt


@given(st.text())
def test_an_excerpt_is_short(text: str) -> None:
    assert len(excerpt(text.encode())) <= 120


def test_an_excerpt_of_a_long_row_shows_that_it_was_cut() -> None:
    assert excerpt(b"ab" * 100) == "ab" * 59 + "a…"
    assert excerpt(b" short\xff \r") == "short\ufffd"


def test_the_location_of_a_row_is_its_file_and_number() -> None:
    assert JsonLines("data/vowels/train.jsonl").location(17) == "train.jsonl:17"


def test_a_chunk_can_be_sent_to_a_worker(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    (chunk,) = JsonLines(str(path)).chunks()
    (record,) = pickle.loads(pickle.dumps(chunk)).records()
    assert (record.number, record.values) == (1, {})


def test_a_path_without_a_file_is_named_with_what_was_expected(tmp_path: Path) -> None:
    expected = r"none\.jsonl does not exist \(.*\); give .* file with one JSON object per line\."
    with pytest.raises(NotFoundError, match=expected):
        JsonLines(str(tmp_path / "none.jsonl")).check_readable()
    with pytest.raises(NotFoundError, match="is a directory"):
        JsonLines(str(tmp_path)).check_readable()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.touch(mode=0)
    with pytest.raises(NotFoundError, match="may not be read"):
        JsonLines(str(path)).check_readable()
