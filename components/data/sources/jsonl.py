"""Rows in JSON lines: one JSON object per line, in UTF-8, with or without a byte order mark.

Beam's own text source gives no line numbers, which messages need: a chunk knows its first one.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import select
import zlib
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, cast

import orjson
import pyarrow as pa

from components.data.row_parsing import InvalidRow
from components.data.sources.source import CHUNK_BYTES, Chunk, Record, Source
from components.errors import DataError

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class JsonLines(Source):
    """A JSONL file; a row's number is that of its line, blank lines are skipped but counted."""

    layout = "one JSON object per line"

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Cuts the file after line ends: ``start`` and ``stop`` are offsets in bytes."""
        start, number = 0, 1
        with Path(self.path).open("rb") as stream:
            # The end of the last line of a block is read with it: a row lies in one chunk.
            while block := stream.read(chunk_bytes):
                block += stream.readline()
                stop = start + len(block)
                yield Chunk(self, start, stop, number)
                start, number = stop, number + block.count(b"\n")

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The lines of a chunk that are not blank."""
        with Path(self.path).open("rb") as stream:
            stream.seek(chunk.start)
            block = stream.read(chunk.stop - chunk.start)
        yield from _records(block, chunk.first_number)


class CompressedJsonLines(JsonLines):
    """A JSONL file that is compressed: one chunk, as it can be read in order only."""

    kind: ClassVar[str]
    """What such a file is called: "gzip"."""

    @abstractmethod
    def open(self) -> BinaryIO:
        """The content as it was before it was compressed."""

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """The whole file."""
        del chunk_bytes
        yield Chunk(self, 0, 0, 1)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The lines that are not blank.

        Raises:
            DataError: the file is cut off or damaged.
        """
        del chunk
        for part in self.parts():
            yield from part

    def parts(self) -> Iterator[Iterable[Record]]:
        """The lines, a few MiB at a time."""
        try:
            with self.open() as stream:
                number = 1
                while block := stream.read(CHUNK_BYTES):
                    block += stream.readline()
                    yield _records(block, number)
                    number += block.count(b"\n")
        except (EOFError, OSError, zlib.error) as error:
            # Errors of the system have a number, those about the content have none.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            suffix = self.path.rpartition(".")[2]
            raise DataError(
                f"{self.path} ends in .{suffix}, but is no whole {self.kind} file ({error}): write "
                "it again, or give it the name of what it is."
            ) from error


class GzipJsonLines(CompressedJsonLines):
    """A JSONL file that is compressed with gzip."""

    kind = "gzip"

    def open(self) -> BinaryIO:
        """By Python's own module."""
        return cast(BinaryIO, gzip.open(self.path))


class ZstdJsonLines(CompressedJsonLines):
    """A JSONL file that is compressed with Zstandard."""

    kind = "Zstandard"

    def open(self) -> BinaryIO:
        """By pyarrow, whose stream has no ``readline`` of its own."""
        return io.BufferedReader(pa.input_stream(self.path, compression="zstd"))


@dataclass(frozen=True)
class StandardInput(JsonLines):
    """JSON lines from standard input, which are answered as they come: it is read only once."""

    path: str = "standard input"
    descriptor: int = 0

    def parts(self) -> Iterator[Iterable[Record]]:
        """The lines that are there: a part ends when it is large, or when the writer pauses."""
        number, rest, ended = 1, b"", False
        while not ended:
            block, ended = self._read()
            whole, end, rest = (rest + block).rpartition(b"\n")
            if ended:
                whole, end = whole + end + rest, b""
            yield _records(whole, number)
            number += (whole + end).count(b"\n")

    def _read(self) -> tuple[bytes, bool]:
        """What can be read without waiting, after the first byte; and whether it was the last."""
        blocks: list[bytes] = []
        size = 0
        # Not `select`, which refuses a descriptor above 1023.
        waiting = select.poll()
        waiting.register(self.descriptor, select.POLLIN)
        while size < CHUNK_BYTES and (not blocks or waiting.poll(0)):
            block = os.read(self.descriptor, CHUNK_BYTES)
            if not block:
                return b"".join(blocks), True
            blocks.append(block)
            size += len(block)
        return b"".join(blocks), False

    def check_readable(self) -> None:
        """It always is; it may be empty."""


def _records(block: bytes, first_number: int) -> Iterator[Record]:
    """The lines of a block that are not blank."""
    if first_number == 1:
        block = block.removeprefix(_BYTE_ORDER_MARK)
    # Not splitlines: it also splits at a carriage return, which ends no line in the counts.
    for number, line in enumerate(block.split(b"\n"), start=first_number):
        if line.strip():
            yield Record(number, line, decode_line(line))


def decode_line(line: bytes) -> Any:
    """The JSON value of a line, or an ``InvalidRow`` that says why there is none."""
    try:
        return _with_exact_keys(orjson.loads(line), line)
    except orjson.JSONDecodeError as error:
        # orjson has one exception for all faults; the common ones get a cause of their own, by
        # which the invalid rows are counted.
        if line.startswith((b"\xff\xfe", b"\xfe\xff")) or line.count(0) > len(line) // 3:
            return InvalidRow("invalid UTF-8", "it is UTF-16; iconv -f UTF-16 -t UTF-8 converts it")
        if "UTF-8" in str(error):
            return InvalidRow("invalid UTF-8", _where_not_utf8(line))
        if b"NaN" in line or b"Infinity" in line:
            return InvalidRow("NaN or Infinity, which JSON does not have", error.msg)
        return InvalidRow("invalid JSON", f"{error.msg} at column {error.colno}")


def _where_not_utf8(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as error:
        found = f"byte 0x{line[error.start]:02x} at column {error.start + 1}"
        return f"{found}; if it is Latin-1, iconv -f LATIN1 -t UTF-8 converts it"
    return "half of a character"


def _with_exact_keys(row: Any, line: bytes) -> Any:
    """An id or label of more than 64 bits with all its digits: orjson makes it a float."""
    if isinstance(row, dict):
        for key in ("id", "label"):
            value = row.get(key)
            if type(value) is float and abs(value) >= 1 << 63:
                row[key] = json.loads(line)[key]
    return row
