"""Rows in a JSONL file: one JSON object per line, in UTF-8, with or without a byte order mark.

Beam's own text source gives no line numbers, which messages need: a chunk knows its first one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from components.data.row_parsing import InvalidRow
from components.data.sources.source import CHUNK_BYTES, Chunk, Record, Source

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
        if chunk.start == 0:
            block = block.removeprefix(_BYTE_ORDER_MARK)
        # Not splitlines: it also splits at a carriage return, which ends no line in the counts
        # above.
        for number, line in enumerate(block.split(b"\n"), start=chunk.first_number):
            if line.strip():
                yield Record(number, line, decode_line(line))


def decode_line(line: bytes) -> Any:
    """The JSON value of a line, or an ``InvalidRow`` that says why there is none."""
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # orjson has one exception for all faults; the common ones get a cause of their own, by
        # which the invalid rows are counted.
        if "UTF-8" in str(error):
            return InvalidRow("invalid UTF-8")
        if b"NaN" in line or b"Infinity" in line:
            return InvalidRow("NaN or Infinity, which JSON does not have", error.msg)
        return InvalidRow("invalid JSON", f"{error.msg} at column {error.colno}")
