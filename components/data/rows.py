"""The first stage: finds the files of the raw rows, which must exist and hold something."""

from __future__ import annotations

import contextlib
from pathlib import Path

from components.artifacts.storage import combined_digest, is_url
from components.artifacts.values import Rows, SourceFile, Split
from components.config import DEFAULT_COLUMNS, ColumnsConfig, DataConfig
from components.data.sources.formats import files_of, source_of
from components.data.sources.remote import remote_identity
from components.data.sources.source import Source
from components.errors import DataError, NotFoundError


def find_rows(data: DataConfig) -> Rows:
    """Finds the files and computes the digest of their content; reads no row.

    Raises:
        NotFoundError: a file does not exist or cannot be read.
        DataError: a file is empty, or one file is given for two splits.
    """
    # None: the ids decide which rows of the training file go to the splits without a file.
    train_split: Split | None = "train" if data.validation and data.test else None
    files = _source_files("train", data.train, train_split, data.columns)
    if data.validation is not None:
        files += _source_files("validation", data.validation, "validation", data.columns)
    if data.test is not None:
        files += _source_files("test", data.test, "test", data.columns)
    _check_distinct(files)
    # A file that moves to another split changes the digest; the name of a file does not.
    parts = [(str(file.split), file.digest) for file in files]
    if data.columns != DEFAULT_COLUMNS:
        parts.append(("columns", repr(data.columns)))
    return Rows(tuple(files), combined_digest(parts), data.columns)


def check_files(data: DataConfig) -> None:
    """Checks that all files are there and hold something, before anything heavy starts.

    Raises:
        NotFoundError: a file does not exist or cannot be read.
        DataError: a file is empty.
    """
    for key in ("train", "validation", "test"):
        path: str | None = getattr(data, key)
        if path is not None:
            for file in _files(key, path):
                # A file that opens and cannot be read is an unexpected error of the stage.
                with contextlib.suppress(OSError):
                    _identity(key, source_of(file), with_digest=False)


def _files(key: str, path: str) -> list[str]:
    try:
        return files_of(path)
    except NotFoundError as error:
        raise NotFoundError(f"data.{key}: {error}") from error


def _identity(key: str, source: Source, *, with_digest: bool = True) -> tuple[str, int]:
    """The digest and the size of a file that is there and holds something."""
    try:
        if is_url(source.path):
            digest, size = remote_identity(source.path)
            is_empty = size == 0
        else:
            source.check_readable()
            digest, size = "", Path(source.path).stat().st_size
            # Not its size: a file that opens and cannot be read may look empty.
            with Path(source.path).open("rb") as file:
                is_empty = not file.read(1)
    except NotFoundError as error:
        raise NotFoundError(f"data.{key}: {error}") from error
    if is_empty:
        raise DataError(f"data.{key}: {source.path} is empty; expected {source.layout}.")
    return digest or (source.digest() if with_digest else ""), size


def _source_files(
    key: str, path: str, split: Split | None, columns: ColumnsConfig
) -> list[SourceFile]:
    found = []
    for file in _files(key, path):
        source = source_of(file, columns)
        found.append(SourceFile(file, split, *_identity(key, source)))
    return found


def _check_distinct(files: list[SourceFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        if file.digest in seen:
            raise DataError(
                f"{file.path} and {seen[file.digest]} have the same content: a row may be there "
                "once only, and in one split. Leave one out, and the ids decide the split."
            )
        seen[file.digest] = file.path
