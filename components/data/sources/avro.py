"""Rows in Avro files: the fields of a record are the columns of a row."""

from __future__ import annotations

import datetime
import decimal
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro

from components.data.sources.columnar import Table
from components.data.sources.source import CHUNK_BYTES, Chunk, Record
from components.errors import DataError


class Avro(Table):
    """An Avro object container file; ``start`` and ``stop`` of a chunk are offsets of blocks."""

    kind = "Avro"
    layout = "one record each, as an Avro container file"

    def column_names(self) -> list[str]:
        """From the schema at the beginning of the file."""
        try:
            with Path(self.path).open("rb") as file:
                schema: Any = fastavro.reader(file).writer_schema
        except (ValueError, EOFError, KeyError) as error:
            raise self._broken(error) from error
        return [field["name"] for field in schema.get("fields", ())]

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Blocks of about ``chunk_bytes``.

        Raises:
            DataError: the file is cut off, or is none of this format.
        """
        start, stop, number, rows = 0, 0, 1, 0
        try:
            with Path(self.path).open("rb") as file:
                for block in fastavro.block_reader(file):
                    start = start or block.offset
                    stop, rows = block.offset + block.size, rows + block.num_records
                    if stop - start >= chunk_bytes:
                        yield Chunk(self, start, stop, number)
                        start, number, rows = 0, number + rows, 0
        except (ValueError, EOFError, KeyError) as error:
            raise self._broken(error) from error
        if rows:
            yield Chunk(self, start, stop, number)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The rows of the blocks.

        Raises:
            DataError: a block is damaged.
        """
        try:
            with Path(self.path).open("rb") as file:
                fastavro.reader(file)
                header = file.tell()
                file.seek(0)
                part = file.read(header)
                file.seek(chunk.start)
                # Any blocks behind the header are a file of their own.
                part += file.read(chunk.stop - chunk.start)
            for number, values in enumerate(
                fastavro.reader(io.BytesIO(part)), start=chunk.first_number
            ):
                yield Record(number, b"", self.row(_plain(values), number))
        except (ValueError, EOFError, KeyError, IndexError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> DataError:
        return super()._broken(error if str(error) else EOFError("it ends too early"))


def _plain(value: Any) -> Any:
    """The value as JSON would have it: NaN is null, bytes are text, decimals are numbers."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return None if value != value else value
