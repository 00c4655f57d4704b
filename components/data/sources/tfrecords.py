"""Rows in TFRecords of ``tf.train.SequenceExample`` or ``tf.train.Example``."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import google_crc32c

from components.data.row_parsing import InvalidRow
from components.data.sources.columnar import Table
from components.data.sources.source import CHUNK_BYTES, Chunk, Record
from components.errors import DataError

_LENGTH: Final = struct.Struct("<Q")
_CHECK: Final = struct.Struct("<I")
_MASK: Final = 0xA282EAD8
"""Of the checksums in TFRecords, see tensorflow/core/lib/hash/crc32c.h."""


class TfRecords(Table):
    """A file of TFRecords; a row's number counts the records from 1.

    The features of the context are single values or vectors, those of the feature lists sequences.
    An ``Example`` has features alone: those of more than one value are sequences.
    """

    kind = "TFRecord"
    layout = "one SequenceExample each, as TFRecords"

    def column_names(self) -> list[str]:
        """The features of the first record."""
        chunk = next(self.chunks(), None)
        if chunk is None:
            return []
        row = next(iter(self.records(chunk))).values
        parts = {} if isinstance(row, InvalidRow) else {**row["context"], **row["sequence"]}
        return [*(name for name in (self.columns.id, self.columns.label) if name), *parts]

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Records of about ``chunk_bytes``: ``start`` and ``stop`` are offsets in bytes.

        Raises:
            DataError: the file is cut off, or is none of this format.
        """
        start = stop = rows = 0
        number = 1
        size = Path(self.path).stat().st_size
        with Path(self.path).open("rb") as file:
            while head := file.read(_LENGTH.size + _CHECK.size):
                stop += len(head) + self._length(head) + _CHECK.size
                if stop > size:
                    raise self._broken(EOFError("the last record is cut off"))
                file.seek(stop)
                rows += 1
                if stop - start >= chunk_bytes:
                    yield Chunk(self, start, stop, number)
                    start, number, rows = stop, number + rows, 0
        if rows:
            yield Chunk(self, start, stop, number)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The rows of a chunk; a record that is no example is an invalid row.

        Raises:
            DataError: a record is damaged.
        """
        number = chunk.first_number
        with Path(self.path).open("rb") as file:
            file.seek(chunk.start)
            while file.tell() < chunk.stop:
                yield Record(number, b"", self._values(self._content(file), number))
                number += 1

    def _length(self, head: bytes) -> int:
        if len(head) < _LENGTH.size + _CHECK.size or _crc(head[:8]) != _CHECK.unpack(head[8:])[0]:
            raise self._broken(ValueError("the length of a record is damaged"))
        return int(_LENGTH.unpack(head[:8])[0])

    def _content(self, file: BinaryIO) -> bytes:
        content = file.read(self._length(file.read(_LENGTH.size + _CHECK.size)))
        if _crc(content) != _CHECK.unpack(file.read(_CHECK.size))[0]:
            raise self._broken(ValueError("a record is damaged"))
        return content

    def _values(self, content: bytes, number: int) -> dict[str, Any] | InvalidRow:
        # The other formats are read without TensorFlow, which takes seconds to load.
        import tensorflow as tf
        from google.protobuf.message import DecodeError

        try:
            # An Example is a SequenceExample without lists, to the last byte.
            example = tf.train.SequenceExample.FromString(content)
        except DecodeError:
            return InvalidRow("neither a SequenceExample nor an Example")
        context = {name: _values(each) for name, each in example.context.feature.items()}
        lists = {
            name: [_single(_values(step)) for step in each.feature]
            for name, each in example.feature_lists.feature_list.items()
        }
        if not lists:
            return self.row({name: _single(each) for name, each in context.items()}, number)
        fields: dict[str, Any] = {name: _single(each) for name, each in context.items()}
        keys = self.columns.keys
        beside = {name: each for name, each in fields.items() if name not in keys}
        return self.row({**fields, "context": beside, "sequence": lists}, number)

    def _broken(self, error: Exception) -> DataError:
        return super()._broken(error)


def _values(feature: Any) -> list[Any]:
    kind = feature.WhichOneof("kind")
    if kind is None:
        return []
    values = list(getattr(feature, kind).value)
    if kind == "bytes_list":
        return [each.decode(errors="replace") for each in values]
    return [None if each != each else each for each in values]


def _single(values: list[Any]) -> Any:
    """A list of one value is that value, an empty one is missing."""
    if not values:
        return None
    return values[0] if len(values) == 1 else values


def _crc(content: bytes) -> int:
    crc = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + _MASK) & 0xFFFFFFFF
