"""What a source of rows is, whatever its format: it is cut into chunks and gives the rows in them.

A format is a subclass of ``Source`` and an entry in ``components.data.sources.formats``.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import orjson

from components.artifacts.storage import digest_of_file
from components.artifacts.values import Split
from components.config import DEFAULT_COLUMNS, ColumnsConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat, parse_row
from components.data.splits.values import with_split_values
from components.errors import NotFoundError

CHUNK_BYTES = 4 << 20
"""Small enough that every worker gets a part, large enough that opening the file costs little."""
_EXCERPT_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a source, decoded but not yet checked against the features.

    ``number`` counts from 1 as a person would in the source (lines of a text file), ``text`` is the
    row as it is stored, empty if that is no text, ``values`` are the plain values that it decodes
    to, or why it does not.
    """

    number: int
    text: bytes
    values: Any

    def parse(self, form: RowFormat) -> Row | InvalidRow:
        """The typed row, or why it is invalid."""
        if isinstance(self.values, InvalidRow):
            return self.values
        row = parse_row(self.values, form)
        return row if isinstance(row, InvalidRow) else with_split_values(row, self.values, form)

    @property
    def excerpt(self) -> str:
        """The start of the row's text, for a person to recognise it."""
        # A character has four bytes at most: a row of many megabytes is not decoded as a whole.
        whole = self.text or orjson.dumps(self.values, default=str, option=orjson.OPT_NON_STR_KEYS)
        text = whole[: 4 * _EXCERPT_CHARACTERS].decode(errors="replace").strip()
        if len(text) <= _EXCERPT_CHARACTERS:
            return text
        return text[: _EXCERPT_CHARACTERS - 1] + "…"


@dataclass(frozen=True)
class Chunk:
    """A part of one source that a worker reads by itself.

    ``start`` and ``stop`` are in the unit in which the format cuts (bytes of a text file);
    ``first_number`` is that of the first row; ``split`` is None where the id of a row decides.
    """

    source: Source
    start: int
    stop: int
    first_number: int
    split: Split | None = None

    def records(self) -> Iterator[Record]:
        """The rows of the chunk, in order."""
        return self.source.records(self)


@dataclass(frozen=True)
class Source(ABC):
    """One file of rows. It is small and can be pickled: Beam sends it to the workers."""

    path: str
    columns: ColumnsConfig = DEFAULT_COLUMNS
    """Which column is what, of the formats that have columns."""
    layout: ClassVar[str]
    """How rows are laid out in this format, for messages: "one JSON object per line"."""

    @abstractmethod
    def chunks(self, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
        """Cuts the source between rows into chunks of about ``chunk_bytes``."""

    @abstractmethod
    def records(self, chunk: Chunk) -> Iterator[Record]:
        """The rows of a chunk, in order."""

    def parts(self) -> Iterator[Iterable[Record]]:
        """The rows of the whole source, in order, in parts that fit into memory."""
        for chunk in self.chunks():
            yield chunk.records()

    def digest(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        return digest_of_file(Path(self.path))

    def numbered(self, number: int) -> str:
        """The id of a row that has none of its own: ``train-17``."""
        return f"{Path(self.path).stem}-{number}"

    def location(self, number: int) -> str:
        """Where a row is, for messages: ``train.jsonl:17``."""
        return f"{Path(self.path).name}:{number}"

    def check_readable(self) -> None:
        """Checks that there is a file that this user may read.

        Raises:
            NotFoundError: there is none.
        """
        path = Path(self.path)
        if not path.is_file():
            what = "is a directory" if path.is_dir() else "does not exist"
            raise NotFoundError(
                f"{path} {what} (working directory: {Path.cwd()}); give the path of a file with "
                f"{self.layout}."
            )
        if not os.access(path, os.R_OK):
            raise NotFoundError(f"{path} may not be read by this user.")
