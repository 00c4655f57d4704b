"""The formats that rows may have: the suffix of a file's name chooses one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from components.artifacts.storage import is_url
from components.artifacts.values import Rows
from components.config import DEFAULT_COLUMNS, ColumnsConfig
from components.data.sources.avro import Avro
from components.data.sources.columnar import ArrowFile, Parquet
from components.data.sources.csv_tables import Csv, Tsv
from components.data.sources.jsonl import GzipJsonLines, JsonLines, ZstdJsonLines
from components.data.sources.remote import local_copy, remote_files, remote_identity
from components.data.sources.source import CHUNK_BYTES, Chunk, Source
from components.data.sources.sql import Sql
from components.data.sources.tfrecords import TfRecords
from components.data.sources.ts import TimeSeriesFile
from components.errors import DataError, NotFoundError

FORMATS: Mapping[str, type[Source]] = {
    ".jsonl": JsonLines,
    ".gz": GzipJsonLines,
    ".zst": ZstdJsonLines,
    ".parquet": Parquet,
    ".arrow": ArrowFile,
    ".feather": ArrowFile,
    ".csv": Csv,
    ".tsv": Tsv,
    ".ts": TimeSeriesFile,
    ".avro": Avro,
    ".tfrecord": TfRecords,
    ".sql": Sql,
}
"""The format by suffix; a file with any other suffix is read as JSONL."""


def source_of(path: str, columns: ColumnsConfig = DEFAULT_COLUMNS) -> Source:
    """The source with this path; it need not exist yet."""
    return FORMATS.get(Path(path).suffix.lower(), JsonLines)(path, columns)


def files_of(path: str) -> list[str]:
    """The files that a path of the config names, in the order of their names.

    A directory stands for all its files of a known format, a pattern with ``*``, ``?`` or ``[…]``
    for those that match; any other path for itself, whether the file exists or not. A URL stands
    for the same, as URLs.

    Raises:
        NotFoundError: the directory or the pattern names no file.
        UserError: the package for the store of a URL is not installed.
    """
    if is_url(path):
        return remote_files(path, FORMATS)
    given = Path(path)
    if given.is_dir():
        # Spark and others leave files such as _SUCCESS and .crc beside the data.
        found = [
            each
            for each in given.iterdir()
            if each.suffix.lower() in FORMATS and not each.name.startswith((".", "_"))
        ]
        if not found:
            known = ", ".join(FORMATS)
            raise NotFoundError(f"{path} is a directory without a file of rows ({known}).")
    elif given.exists() or not any(char in path for char in "*?["):
        return [path]
    else:
        pattern = str(given.relative_to(given.anchor))
        found = [each for each in Path(given.anchor).glob(pattern) if each.is_file()]
        if not found:
            raise NotFoundError(f"{path} matches no file (working directory: {Path.cwd()}).")
    return sorted(map(str, found))


def local_path(file: str, digest: str | None = None) -> str:
    """Where a file can be read: itself, or a copy of what is at a URL.

    Args:
        file: one of ``files_of``.
        digest: of ``remote_identity``, if the content must still be that one.

    Raises:
        DataError: the content is another one.
        NotFoundError: the store cannot be read.
    """
    if not is_url(file):
        return file
    return local_copy(file, digest or remote_identity(file)[0])


def chunks_of(rows: Rows, chunk_bytes: int = CHUNK_BYTES) -> list[Chunk]:
    """The chunks of all files.

    Raises:
        DataError: the content is no longer what ``find_rows`` found.
    """
    chunks: list[Chunk] = []
    for file in rows.files:
        source = source_of(local_path(file.path, file.digest), rows.columns)
        # The examples are filed under this digest: other content must not be read under its name.
        if not is_url(file.path) and source.digest() != file.digest:
            raise DataError(f"{file.path} has changed since this run began: start again.")
        chunks += [replace(chunk, split=file.split) for chunk in source.chunks(chunk_bytes)]
    return chunks
