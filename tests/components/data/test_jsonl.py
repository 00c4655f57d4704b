"""Chunks hold every line once, under its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.storage import digest_of_file
from components.artifacts.values import SourceFile
from components.data.jsonl import chunks, lines, read_chunk
from components.data.row_parsing import BadRow, Row
from components.data.splits import Bands
from components.errors import DataError
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})
ALL_TRAIN = Bands(test=0.0, validation=0.0)


def source(path: Path, content: bytes, split=None) -> SourceFile:
    path.write_bytes(content)
    return SourceFile(str(path), split, digest_of_file(path), len(content))


def read(file: SourceFile, chunk_bytes: int) -> list[tuple[int, bytes]]:
    return [line for chunk in chunks(file, chunk_bytes) for line in lines(chunk)]


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.integers(1, 30),
    st.booleans(),
)
def test_every_line_is_read_once_whatever_the_size_of_a_chunk(
    tmp_path_factory, content: list[bytes], chunk_bytes: int, ends_with_newline: bool
) -> None:
    text = b"\n".join(content) + b"\n" * ends_with_newline
    text = text.removeprefix(b"\xef\xbb\xbf")
    file = source(tmp_path_factory.getbasetemp() / "lines", text)
    expected = [(n, line) for n, line in enumerate(text.split(b"\n"), start=1) if line.strip()]
    assert read(file, chunk_bytes) == expected


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert read(source(tmp_path / "bom", b"\xef\xbb\xbf{}\n{}\n"), 100) == [(1, b"{}"), (2, b"{}")]


def test_a_file_that_changed_since_it_was_found_is_refused(tmp_path: Path) -> None:
    file = source(tmp_path / "rows", b"{}\n")
    Path(file.path).write_bytes(b"[]\n")
    with pytest.raises(DataError, match="changed while it was being read"):
        chunks(file)


def test_rows_carry_the_split_of_their_file_or_of_their_id(tmp_path: Path) -> None:
    line = b'{"id": "a", "label": "b", "sequence": {"x": [1]}}\n'
    by_id = source(tmp_path / "by_id", line)
    by_file = source(tmp_path / "by_file", line, split="test")
    found = [
        split
        for file in (by_id, by_file)
        for chunk in chunks(file)
        for _, _, split, _ in read_chunk(chunk, FEATURES, ALL_TRAIN)
    ]
    assert found == ["train", "test"]


def test_a_bad_line_comes_with_its_reason_and_without_a_split(tmp_path: Path) -> None:
    file = source(tmp_path / "rows", b'{"id": "a", "label": "b", "sequence": {"x": [1]}}\n\n{\n')
    (_, _, _, good), (number, text, split, bad) = read_chunk(chunks(file)[0], FEATURES, ALL_TRAIN)
    assert isinstance(good, Row)
    assert isinstance(bad, BadRow)
    assert (number, text, split) == (3, b"{", None)
