"""The formats that rows may have: the suffix of a file's name chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.artifacts.values import Rows
from components.data.sources.jsonl import GzipJsonLines, JsonLines
from components.data.sources.source import CHUNK_BYTES, Chunk, Source
from components.errors import DataError

FORMATS: Mapping[str, type[Source]] = {".jsonl": JsonLines, ".gz": GzipJsonLines}
"""The format by suffix; a file with any other suffix is read as JSONL."""


def source_of(path: str) -> Source:
    """The source with this path; it need not exist yet."""
    return FORMATS.get(Path(path).suffix.lower(), JsonLines)(path)


def chunks_of(rows: Rows, chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """The chunks of all files.

    Raises:
        DataError: the content is no longer what ``find_rows`` found.
    """
    chunks: list[Chunk] = []
    for file in rows.files:
        source = source_of(file.path)
        # The examples are filed under this digest: other content must not be read under its name.
        if source.digest() != file.digest:
            raise DataError(f"{file.path} has changed since this run began: start again.")
        chunks += [replace(chunk, split=file.split) for chunk in source.chunks(chunk_bytes)]
    return chunks
