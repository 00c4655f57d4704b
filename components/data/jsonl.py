"""The lines of a JSONL file and the rows in them, in chunks that Beam may spread over its workers.

A chunk is made of whole lines and knows the number of its first one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from components.artifacts.values import SourceFile, Split
from components.data.row_parsing import BadRow, Row, parse_row
from components.data.splits import Bands, split_of
from components.errors import DataError
from components.features.config import FeaturesConfig

CHUNK_BYTES = 4 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Chunk:
    """Whole lines of one file: bytes [start, stop), whose first line is ``first_line``."""

    source: str
    split: Split | None
    start: int
    stop: int
    first_line: int


def chunks(file: SourceFile, chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """Cuts a file after line ends into chunks of about ``chunk_bytes``.

    Raises:
      DataError: the content is no longer what ``read_rows`` saw.
    """
    result: list[Chunk] = []
    digest = hashlib.sha256()
    start, line = 0, 1
    with Path(file.path).open("rb") as stream:
        while block := stream.read(chunk_bytes):
            block += stream.readline()
            digest.update(block)
            stop = start + len(block)
            result.append(Chunk(file.path, file.split, start, stop, line))
            start, line = stop, line + block.count(b"\n")
    if digest.hexdigest() != file.digest:
        raise DataError(f"{file.path} changed while it was being read: start again.")
    return result


def lines(chunk: Chunk) -> Iterator[tuple[int, bytes]]:
    """The lines of a chunk that are not blank, each with its number in the file, from 1."""
    with Path(chunk.source).open("rb") as stream:
        stream.seek(chunk.start)
        block = stream.read(chunk.stop - chunk.start)
    if chunk.start == 0:
        block = block.removeprefix(_BYTE_ORDER_MARK)
    for number, line in enumerate(block.split(b"\n"), start=chunk.first_line):
        if line.strip():
            yield number, line


def read_chunk(
    chunk: Chunk, features: FeaturesConfig, bands: Bands
) -> Iterator[tuple[int, bytes, Split, Row] | tuple[int, bytes, None, BadRow]]:
    """The lines of a chunk: number, text, split and row, or None and the reason against it."""
    for number, line in lines(chunk):
        row = parse_row(line, features)
        if isinstance(row, BadRow):
            yield number, line, None, row
        else:
            yield number, line, chunk.split or split_of(row.id, bands), row
