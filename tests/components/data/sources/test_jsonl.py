"""Chunks of a JSONL file hold every line once, under its number."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.row_parsing import InvalidRow
from components.data.sources.jsonl import JsonLines, decode_line


def read(path: Path, content: bytes, chunk_bytes: int = 100) -> list[tuple[int, bytes]]:
    path.write_bytes(content)
    chunks = JsonLines(str(path)).chunks(chunk_bytes)
    return [(record.number, record.text) for chunk in chunks for record in chunk.records()]


@given(
    st.lists(st.binary(max_size=12).map(lambda line: line.replace(b"\n", b"")), max_size=12),
    st.integers(1, 30),
    st.booleans(),
)
def test_every_line_is_read_once_whatever_the_size_of_a_chunk(
    tmp_path_factory: pytest.TempPathFactory,
    content: list[bytes],
    chunk_bytes: int,
    ends_with_newline: bool,
) -> None:
    text = b"\n".join(content) + b"\n" * ends_with_newline
    text = text.removeprefix(b"\xef\xbb\xbf")
    expected = [(n, line) for n, line in enumerate(text.split(b"\n"), start=1) if line.strip()]
    assert read(tmp_path_factory.getbasetemp() / "lines", text, chunk_bytes) == expected


def test_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    assert read(tmp_path / "bom", b"\xef\xbb\xbf{}\n{}\n") == [(1, b"{}"), (2, b"{}")]


@pytest.mark.parametrize(
    ("line", "cause"),
    [
        (b'{"id": "\xff"}', "invalid UTF-8"),
        (b'{"x": NaN}', "NaN or Infinity, which JSON does not have"),
        (b"id,label", "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
    ],
)
def test_a_line_that_is_not_json_is_an_invalid_row_with_its_cause(line: bytes, cause: str) -> None:
    found = decode_line(line)
    assert isinstance(found, InvalidRow)
    assert found.cause == cause


def test_any_json_value_is_decoded() -> None:
    assert decode_line(b' {"id": 1}\r') == {"id": 1}
    assert decode_line(b"[1]") == [1]
