"""The rows of a chunk are parsed: the valid ones are written as typed rows, the others named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from components.artifacts.values import Split
from components.data.passes.progress import note_read
from components.data.passes.typed_rows import TypedRows
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.sources.source import Chunk, Record
from components.data.splits.by_time import Times
from components.data.splits.rule import LabelCounts, count_row
from components.data.statistics import Profile, new_profile
from components.features.config import FeaturesConfig
from components.labels.table import KINDS


@dataclass(frozen=True)
class InvalidRowEntry:
    """What ``dead_letters.jsonl`` says of an invalid row: where it is, why, and how it begins.

    ``line`` is its number in the source.
    """

    source: str
    line: int
    reason: str
    excerpt: str


class NumberedChunk(NamedTuple):
    """A chunk and its place among all, by which its files are named."""

    number: int
    chunk: Chunk


@dataclass
class ReadChunk:
    """What is known of a chunk once it is read; its rows are in files."""

    rows: TypedRows
    source: str
    """The path of the file."""
    split: Split | None
    """Of all rows, if their file says it."""
    profile: Profile
    """Of invalid and filled values alone: which split a row is in is not known yet."""
    labels: LabelCounts = field(default_factory=dict)
    times: Times = field(default_factory=Times)
    valid_rows: int = 0
    size_bytes: int = 0
    """Of all values."""


def read_chunk(
    numbered: NumberedChunk, features: FeaturesConfig, form: RowFormat, directory: str
) -> ReadChunk:
    """Parses the rows of a chunk, and writes the files of it into ``directory``."""
    number, chunk = numbered
    read = ReadChunk(
        TypedRows(directory, number), chunk.source.path, chunk.split, new_profile(features)
    )
    kind = KINDS[form.label]
    invalid: list[InvalidRowEntry] = []

    def valid_rows() -> Iterator[tuple[int, Row]]:
        for record in chunk.records():
            row = record.parse(form)
            if isinstance(row, InvalidRow):
                read.profile.add_invalid(row, read.source, record.number)
                invalid.append(_entry(read.source, record, row))
                continue
            read.profile.add_filled(row)
            count_row(read.labels, row, chunk.split, kind)
            if form.time is not None and chunk.split is None:
                read.times.add(row)
            yield record.number, row

    written = read.rows.write(valid_rows(), features)
    read.valid_rows, read.size_bytes = written
    note_read(directory, number, written.rows, len(invalid))
    if invalid:
        lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in invalid)
        invalid_rows_path(directory, number).write_text("".join(lines), encoding="utf-8")
    return read


def invalid_rows_path(directory: str, number: int) -> Path:
    """The file with the invalid rows of a chunk, a JSON line each; it exists if there are any."""
    return Path(directory) / f"{number:06}.invalid.jsonl"


def in_order_of_lines(chunks: Sequence[Chunk]) -> list[int]:
    """The places of the chunks, in the order of their sources and of the rows in them."""
    return sorted(
        range(len(chunks)), key=lambda place: (chunks[place].source.path, chunks[place].start)
    )


def _entry(source: str, record: Record, row: InvalidRow) -> InvalidRowEntry:
    return InvalidRowEntry(source, record.number, row.reason, record.excerpt)
