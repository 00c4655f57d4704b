"""Rows in tables: Parquet and Arrow files, whose columns are the fields of a row.

A list column is a sequence, a column of single values belongs to the context, and so does what the
config names; a table may also have the columns ``sequence`` and ``context`` of a JSON row.
"""

from __future__ import annotations

import contextlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.data.row_parsing import InvalidRow
from components.data.sources.source import CHUNK_BYTES, Chunk, Record, Source
from components.errors import DataError

_ROWS_AT_ONCE: Final = 1024
_NUMBER: Final = r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*$"
_NUMERIC_SHARE: Final = 0.9
"""A text column of which so many cells are numbers is one of numbers, with some faults."""


class Table(Source):
    """A file of columns; a row's number counts the rows from 1."""

    kind: ClassVar[str]
    """What such a file is called: "Parquet"."""

    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of the columns.

        Raises:
            DataError: the file is damaged, or is none of this format.
        """

    def row(self, values: dict[str, Any], number: int) -> dict[str, Any]:
        """The fields of a row from its columns by name."""
        columns = self.columns
        found: dict[str, Any] = {
            "id": self.numbered(number) if columns.id is None else values.get(columns.id),
            "label": values.get(columns.label),
        }
        if isinstance(values.get("sequence"), dict):
            context = values.get("context")
            return {**found, "context": context or {}, "sequence": values["sequence"]}
        rest = {key: each for key, each in values.items() if key not in columns.keys}
        lists = {
            key: each
            for key, each in rest.items()
            if isinstance(each, list) and key not in columns.context
        }
        singles = {key: each for key, each in rest.items() if key not in lists}
        return {**found, "context": singles, "sequence": lists}

    @contextlib.contextmanager
    def format_errors(self) -> Iterator[None]:
        """What pyarrow raises about the content as one sentence."""
        try:
            yield
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowSerializationError) as error:
            raise self._broken(error) from error
        except OSError as error:
            # pyarrow's own error about a file's content is one, too; those of the system have a
            # number.
            if error.errno is not None:
                raise
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> DataError:
        suffix = self.path.rpartition(".")[2]
        reason = str(error).strip().splitlines()[0].rstrip(".")
        return DataError(
            f"{self.path} ends in .{suffix}, but is no whole {self.kind} file ({reason}): write it "
            "again, or give it the name of what it is."
        )


class BatchedTable(Table):
    """A file of batches of rows, each of which can be read by itself; a chunk is some of them."""

    @abstractmethod
    def batches(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """The rows of a chunk, some at a time."""

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The rows of a chunk.

        Raises:
            DataError: the file is damaged, or is none of this format.
        """
        number = chunk.first_number
        with self.format_errors():
            for batch in self.batches(chunk):
                names = batch.schema.names
                columns = [plain_values(batch.column(name)) for name in names]
                for values in zip(*columns, strict=True):
                    row = dict(zip(names, values, strict=True))
                    yield Record(number, b"", self.row(row, number))
                    number += 1

    def cut(self, batches: Iterable[tuple[int, int]], chunk_bytes: int) -> Iterator[Chunk]:
        """Chunks of about ``chunk_bytes``: ``start`` and ``stop`` count the batches.

        Args:
            batches: the bytes and the rows of each.
            chunk_bytes: from this size on a chunk ends.
        """
        start = stop = size = rows = 0
        number = 1
        for stop, (batch_bytes, batch_rows) in enumerate(batches, start=1):
            size, rows = size + batch_bytes, rows + batch_rows
            if size >= chunk_bytes:
                yield Chunk(self, start, stop, number)
                start, number, size, rows = stop, number + rows, 0, 0
        if start < stop:
            yield Chunk(self, start, stop, number)


class Parquet(BatchedTable):
    """A Parquet file; its batches are row groups."""

    kind = "Parquet"
    layout = "one row each, as Parquet"

    def column_names(self) -> list[str]:
        """From the schema at the end of the file."""
        with self.format_errors():
            return list(pq.read_schema(self.path).names)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Row groups of about ``chunk_bytes``."""
        with self.format_errors():
            metadata = pq.read_metadata(self.path)
        groups = (metadata.row_group(i) for i in range(metadata.num_row_groups))
        return self.cut(((each.total_byte_size, each.num_rows) for each in groups), chunk_bytes)

    def batches(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """The rows of the row groups."""
        with pq.ParquetFile(self.path) as file:
            groups = range(chunk.start, chunk.stop)
            yield from file.iter_batches(_ROWS_AT_ONCE, row_groups=groups, use_threads=False)


class ArrowFile(BatchedTable):
    """An Arrow IPC or Feather file; its batches are record batches."""

    kind = "Arrow"
    layout = "one row each, as an Arrow IPC file"

    def column_names(self) -> list[str]:
        """From the schema."""
        with self.format_errors(), pa.memory_map(self.path) as stream:
            return list(pa.ipc.open_file(stream).schema.names)

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Record batches of about ``chunk_bytes``."""
        with self.format_errors(), pa.memory_map(self.path) as stream:
            file = pa.ipc.open_file(stream)
            batches = (file.get_batch(i) for i in range(file.num_record_batches))
            yield from self.cut(((each.nbytes, each.num_rows) for each in batches), chunk_bytes)

    def batches(self, chunk: Chunk) -> Iterator[pa.RecordBatch]:
        """The record batches."""
        with pa.memory_map(self.path) as stream:
            file = pa.ipc.open_file(stream)
            for i in range(chunk.start, chunk.stop):
                batch = file.get_batch(i)
                for start in range(0, batch.num_rows, _ROWS_AT_ONCE):
                    yield batch.slice(start, _ROWS_AT_ONCE)


def plain_values(column: pa.Array | pa.ChunkedArray) -> list[Any]:
    """The values as JSON would have them: NaN is null, bytes are text, decimals are numbers."""
    values = _plain_type(column.type)
    found: list[Any] = (column if values == column.type else column.cast(values)).to_pylist()
    return _without_nan(found) if _holds_floats(values) else found


def numbers_in_text(column: pa.ChunkedArray) -> list[Any]:
    """The cells of a text column: numbers, if nearly all are, and the others as they are."""
    is_number = pc.match_substring_regex(column, _NUMBER)
    share = pc.mean(is_number).as_py()
    cells: list[Any] = column.to_pylist()
    if share is None or share < _NUMERIC_SHARE:
        return cells
    return [cell if cell is None or not re.match(_NUMBER, cell) else float(cell) for cell in cells]


def _plain_type(kind: pa.DataType) -> pa.DataType:
    """The type whose values in Python are plain."""
    if pa.types.is_dictionary(kind):
        return _plain_type(kind.value_type)
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.string()
    if pa.types.is_decimal(kind):
        return pa.float64()
    if pa.types.is_float16(kind):
        return pa.float32()
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind) or pa.types.is_time(kind):
        return pa.string()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_plain_type(kind.value_type))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(_plain_type(kind.value_type), kind.list_size)
    return kind


def _holds_floats(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_holds_floats(field.type) for field in kind)
    if pa.types.is_nested(kind):
        return any(_holds_floats(kind.field(i).type) for i in range(kind.num_fields))
    return bool(pa.types.is_floating(kind))


def _without_nan(values: Any) -> Any:
    """Writers such as pandas have no other value for a number that is missing."""
    if isinstance(values, list):
        return [_without_nan(each) for each in values]
    if isinstance(values, dict):
        return {key: _without_nan(each) for key, each in values.items()}
    return None if values != values else values


def differing(name: str, seen: set[Any]) -> InvalidRow:
    """Why a row of several lines has no single value of a column."""
    shown = " and ".join(sorted(map(repr, seen))[:2])
    return InvalidRow(f"{name} differs from line to line", f"{shown}")
