"""Rows in CSV files: one line a row, or one line a step.

A file is a table of steps if ids come more than once, or if the config names its column of times:
the lines of an id are then one row, ordered by time. It is held in memory as a whole, because the
lines of a row may be anywhere in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from components.data.row_parsing import InvalidRow
from components.data.sources.columnar import Table, differing, numbers_in_text, plain_values
from components.data.sources.source import CHUNK_BYTES, Chunk, Record
from components.errors import DataError

_LARGEST_BYTES: Final = 2**31 - 1
"""What pyarrow takes for the block by which it decides the types of the columns: the whole file."""
_NUMBERED: Final = re.compile(r"(.*?)[ _.-]?(\d+)")
_LEAST_STEPS: Final = 3
"""Fewer numbered columns, such as address1 and address2, are no steps of a sequence."""


class Csv(Table):
    """A CSV file with a line of names; a row's number is that of its first line."""

    kind = "CSV"
    layout = "a line of column names, then one line a row or one line a step"
    separator = ","

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """The whole file."""
        del chunk_bytes
        yield Chunk(self, 0, 0, 1)

    def column_names(self) -> list[str]:
        """From the first line."""
        return list(self.lines())

    def lines(self) -> dict[str, list[Any]]:
        """The cells of each column by its name, without the lines that are damaged."""
        with self.format_errors():
            table = self._table([])
        return self._cells(table)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The rows, and the lines that have another number of cells.

        Raises:
            DataError: the file is no CSV file in UTF-8, or lacks the columns that the config names.
        """
        del chunk
        damaged: list[Record] = []
        with self.format_errors():
            table = self._table(damaged)
        yield from damaged
        self._check(table)
        lines = _line_numbers(table.num_rows, damaged)
        cells = self._cells(table)
        if self._is_in_steps(table):
            yield from self._rows_of_steps(table, cells, lines)
            return
        sequences = _numbered_columns([name for name in cells if name not in self.columns.keys])
        for i in range(table.num_rows):
            row = {name: values[i] for name, values in cells.items()}
            steps = {
                name: _without_end([row.pop(column) for column in columns])
                for name, columns in sequences.items()
            }
            yield Record(int(lines[i]), b"", self.row({**row, **steps}, int(lines[i])))

    def _rows_of_steps(
        self, table: pa.Table, cells: dict[str, list[Any]], lines: np.ndarray[Any, Any]
    ) -> Iterator[Record]:
        columns = self.columns
        order = _order(table, columns.id, columns.time)
        ids = np.array(cells[str(columns.id)], dtype=object)[order]
        starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
        once = {columns.id, columns.label, *columns.context} & set(cells)
        steps = [name for name in cells if name not in once and name != columns.time]
        # The order of the file, by the first line of each row.
        parts = sorted(np.split(order, starts[1:]), key=lambda part: int(part.min()))
        for part in parts:
            number = int(lines[part.min()])
            index = part.tolist()
            values: dict[str, Any] = {name: [cells[name][i] for i in index] for name in steps}
            fault: InvalidRow | None = None
            for name in sorted(map(str, once)):
                seen = {cells[name][i] for i in index}
                if len(seen) > 1:
                    fault = fault or differing(name, seen)
                values[name] = cells[name][index[0]]
            yield Record(number, b"", fault or self.row(values, number))

    def _cells(self, table: pa.Table) -> dict[str, list[Any]]:
        texts = (self.columns.id, self.columns.label)
        return {
            name: numbers_in_text(column)
            if pa.types.is_string(column.type) and name not in texts
            else plain_values(column)
            for name, column in zip(table.column_names, table.columns, strict=True)
        }

    def _is_in_steps(self, table: pa.Table) -> bool:
        if self.columns.id is None:
            return False
        if self.columns.time is not None:
            return True
        ids = table.column(self.columns.id)
        return bool(pc.count_distinct(ids, mode="all").as_py() < table.num_rows)

    def _check(self, table: pa.Table) -> None:
        """Checks that the columns which the config names are there; a label may be missing."""
        columns = self.columns
        for key, name in (("id", columns.id), ("time", columns.time)):
            if name is not None and name not in table.column_names:
                found = ", ".join(table.column_names[:12])
                raise DataError(
                    f"{self.path} has no column {name!r}, which data.columns.{key} names; it has "
                    f"{found}. Set data.columns.{key}"
                    + (", or to null if the rows have no ids." if key == "id" else ".")
                )

    def _table(self, damaged: list[Record]) -> pa.Table:
        size = Path(self.path).stat().st_size
        if size > _LARGEST_BYTES:
            raise DataError(
                f"{self.path} has {size / 1e9:.1f} GB; a CSV file is held in memory and may have "
                "2 GB: convert it to Parquet with a list column for each sequence, or cut it."
            )

        def note(row: csv.InvalidRow) -> str:
            reason = f"{row.actual_columns} instead of {row.expected_columns}"
            fault = InvalidRow("a line with another number of cells than the first", reason)
            damaged.append(Record(row.number, row.text.encode(), fault))
            return "skip"

        text = {name: pa.string() for name in (self.columns.id, self.columns.label) if name}
        return csv.read_csv(
            self.path,
            # One thread: only it knows the numbers of the lines.
            csv.ReadOptions(use_threads=False, block_size=max(size + 1, 1 << 20)),
            csv.ParseOptions(
                delimiter=self.separator, invalid_row_handler=note, newlines_in_values=True
            ),
            csv.ConvertOptions(column_types=text, strings_can_be_null=True),
        )


class Tsv(Csv):
    """The same with tabs between the cells."""

    kind = "TSV"
    separator = "\t"


def _line_numbers(rows: int, damaged: Sequence[Record]) -> np.ndarray[Any, Any]:
    """[rows]: the line of each row, counted from 1; the first one holds the names."""
    bad = {record.number for record in damaged}
    return np.array([n for n in range(2, rows + len(bad) + 2) if n not in bad][:rows])


def _order(table: pa.Table, row_id: str | None, time: str | None) -> np.ndarray[Any, Any]:
    """[N] int64: the lines by id, those of one by time or as they come."""
    place = pa.array(np.arange(table.num_rows))
    keys = [(row_id, "ascending"), *([(time, "ascending")] if time else []), ("\0", "ascending")]
    return np.asarray(pc.sort_indices(table.append_column("\0", place), sort_keys=keys))


def _numbered_columns(names: Sequence[str]) -> dict[str, list[str]]:
    """Columns such as t0, t1, t2 by what they have in common, in the order of their numbers."""
    found: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            found.setdefault(match[1], []).append((int(match[2]), name))
    return {
        stem or "values": [name for _, name in sorted(columns)]
        for stem, columns in found.items()
        if len(columns) >= _LEAST_STEPS
    }


def _without_end(steps: list[Any]) -> list[Any]:
    """Empty cells at the end are behind the last step of a shorter row."""
    while steps and steps[-1] is None:
        steps.pop()
    return steps
