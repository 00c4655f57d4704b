"""Rows in the ``.ts`` files of the time series archive of the universities of East Anglia and
California: https://www.timeseriesclassification.com, with their format described there.

    @problemName Gestures
    @timestamps false
    @classLabel true left right
    @data
    1.5,2.5,3.5:0,1,?:left

A line is a row: the numbers of each dimension, and the label. It becomes one sequence, ``values``,
with the numbers of all dimensions at each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from components.data.row_parsing import InvalidRow
from components.data.sources.source import CHUNK_BYTES, Chunk, Record, Source
from components.errors import DataError


class TimeSeriesFile(Source):
    """A ``.ts`` file; a row's number is that of its line, and its id is made of that."""

    layout = "lines such as @data, and below it one line a row (the .ts format)"

    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """The whole file."""
        del chunk_bytes
        yield Chunk(self, 0, 0, 1)

    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The lines below ``@data``.

        Raises:
            DataError: there is no such line, the rows have no label, or the steps have times.
        """
        del chunk
        header: dict[str, str] = {}
        with Path(self.path).open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                text = line.decode(errors="replace").strip()
                if not text or text.startswith(("#", "%")):
                    continue
                if "data" in header:
                    yield Record(number, line, self._row(text, number))
                elif text.startswith("@"):
                    key, _, value = text[1:].partition(" ")
                    header[key.lower()] = value.strip().lower()
                    self._check(header)
                else:
                    break
        if "data" not in header:
            raise DataError(f"{self.path} is no .ts file: the line @data is missing.")

    def _check(self, header: dict[str, str]) -> None:
        if header.get("timestamps", "false") == "true":
            raise DataError(f"{self.path} has @timestamps true, which is not read: write JSONL.")
        if "data" in header and header.get("classlabel", "false").split(" ")[0] != "true":
            raise DataError(f"{self.path} has no @classLabel true: its rows have no labels.")

    def _row(self, text: str, number: int) -> Any:
        *dimensions, label = text.split(":")
        try:
            columns = [[_number(cell) for cell in each.split(",")] for each in dimensions]
        except ValueError as error:
            return InvalidRow("something that is not a number", str(error).partition(": ")[2])
        if len({len(column) for column in columns}) != 1:
            found = ", ".join(f"{len(column)}" for column in columns) or "none"
            return InvalidRow("the dimensions have different lengths", found)
        steps: list[Any] = [list(step) for step in zip(*columns, strict=True)]
        values = steps if len(columns) > 1 else columns[0]
        return {
            "id": self.numbered(number),
            "label": label.strip(),
            "context": {},
            "sequence": {"values": values},
        }


def _number(cell: str) -> float | None:
    text = cell.strip()
    if text in ("?", ""):
        return None
    value = float(text)
    return value if value == value else None
