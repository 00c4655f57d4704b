"""Chunks of a JSONL file hold every line once, under its number."""

from __future__ import annotations

import gzip
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.data.row_parsing import InvalidRow
from components.data.sources import jsonl
from components.data.sources.formats import source_of
from components.data.sources.jsonl import (
    GzipJsonLines,
    JsonLines,
    StandardInput,
    ZstdJsonLines,
    decode_line,
)
from components.data.sources.source import Source
from components.errors import DataError


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


def test_a_line_in_another_encoding_says_which_one_it_may_be() -> None:
    latin = decode_line('{"id": "ü"}'.encode("latin-1"))
    assert latin == InvalidRow(
        "invalid UTF-8",
        "byte 0xfc at column 9; if it is Latin-1, iconv -f LATIN1 -t UTF-8 converts it",
    )
    for codec in ("utf-16", "utf-16-le"):
        wide = decode_line('{"id": "a"}'.encode(codec))
        assert wide.reason == "invalid UTF-8: it is UTF-16; iconv -f UTF-16 -t UTF-8 converts it"


def test_whole_numbers_of_more_than_64_bits_keep_their_digits_as_id_and_label() -> None:
    row = {"id": 2**70 + 1, "label": 2**64 + 1}
    assert decode_line(json.dumps(row).encode()) == row


def test_any_json_value_is_decoded() -> None:
    assert decode_line(b' {"id": 1}\r') == {"id": 1}
    assert decode_line(b"[1]") == [1]


def parts_of(source: Source) -> list[list[tuple[int, bytes]]]:
    return [[(record.number, record.text) for record in part] for part in source.parts()]


CONTENT = b"\xef\xbb\xbf{}\n\n[1]\r\n" + b"[2]\n" * 20 + b"[3]"
EXPECTED = [(1, b"{}"), (3, b"[1]\r"), *((n, b"[2]") for n in range(4, 24)), (24, b"[3]")]


def zstd(content: bytes) -> bytes:
    compressed = pa.BufferOutputStream()
    with pa.CompressedOutputStream(compressed, "zstd") as stream:
        stream.write(content)
    return bytes(compressed.getvalue())


COMPRESSED = pytest.mark.parametrize(
    ("suffix", "kind", "compress"),
    [("gz", GzipJsonLines, gzip.compress), ("zst", ZstdJsonLines, zstd)],
    ids=["gzip", "zstd"],
)


@COMPRESSED
@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000])
def test_a_compressed_file_holds_the_same_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    chunk_bytes: int,
    suffix: str,
    kind: type[JsonLines],
    compress: Callable[[bytes], bytes],
) -> None:
    monkeypatch.setattr(jsonl, "CHUNK_BYTES", chunk_bytes)
    path = tmp_path / f"rows.jsonl.{suffix}"
    path.write_bytes(compress(CONTENT))
    source = source_of(str(path))
    assert type(source) is kind
    assert [line for part in parts_of(source) for line in part] == EXPECTED
    (chunk,) = source.chunks()
    assert [(record.number, record.text) for record in chunk.records()] == EXPECTED


@COMPRESSED
@pytest.mark.parametrize("fault", ["plain", "cut", "damaged"])
def test_a_file_that_is_not_wholly_compressed_is_refused(
    tmp_path: Path,
    fault: str,
    suffix: str,
    kind: type[JsonLines],
    compress: Callable[[bytes], bytes],
) -> None:
    whole = compress(CONTENT)
    path = tmp_path / f"rows.jsonl.{suffix}"
    path.write_bytes(
        {"plain": b"{}\n", "cut": whole[:-9], "damaged": whole[:-30] + b"x" * 30}[fault]
    )
    expected = rf"rows\.jsonl\.{suffix} ends in \.{suffix}, but is no whole (gzip|Zstandard) file"
    with pytest.raises(DataError, match=expected):
        parts_of(kind(str(path)))


@pytest.mark.parametrize("chunk_bytes", [1, 7, 1000])
def test_standard_input_holds_the_same_lines(
    monkeypatch: pytest.MonkeyPatch, chunk_bytes: int
) -> None:
    monkeypatch.setattr(jsonl, "CHUNK_BYTES", chunk_bytes)
    reader, writer = os.pipe()
    with os.fdopen(writer, "wb") as file:
        file.write(CONTENT)
    found = [line for part in parts_of(StandardInput(descriptor=reader)) for line in part]
    os.close(reader)
    assert found == EXPECTED


def test_what_standard_input_holds_is_given_out_when_the_writer_pauses() -> None:
    reader, writer = os.pipe()
    answered = threading.Event()

    def write() -> None:
        os.write(writer, b'{"id": 1}\n{"id"')
        # Only the answer to the first row lets the second one be written.
        answered.wait()
        os.write(writer, b": 2}\n")
        os.close(writer)

    thread = threading.Thread(target=write)
    thread.start()
    found = []
    for part in StandardInput(descriptor=reader).parts():
        for record in part:
            found.append((record.number, record.values))
            answered.set()
    thread.join()
    os.close(reader)
    assert found == [(1, {"id": 1}), (2, {"id": 2})]
