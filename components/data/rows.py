"""The first stage: finds the files of the raw rows, which must exist and hold something."""

from __future__ import annotations

import contextlib
from pathlib import Path

from components.artifacts.storage import combined_digest
from components.artifacts.values import Rows, SourceFile, Split
from components.config import DataConfig
from components.data.sources.formats import source_of
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
    files = [_source_file("train", data.train, train_split)]
    if data.validation is not None:
        files.append(_source_file("validation", data.validation, "validation"))
    if data.test is not None:
        files.append(_source_file("test", data.test, "test"))
    _check_distinct(files)
    # A file that moves to another split changes the digest; the name of a file does not.
    return Rows(tuple(files), combined_digest((str(file.split), file.digest) for file in files))


def check_files(data: DataConfig) -> None:
    """Checks that all files are there and hold something, before anything heavy starts.

    Raises:
        NotFoundError: a file does not exist or cannot be read.
        DataError: a file is empty.
    """
    for key in ("train", "validation", "test"):
        path: str | None = getattr(data, key)
        if path is not None:
            # A file that opens and cannot be read is an unexpected error of the stage.
            with contextlib.suppress(OSError):
                _check_file(key, source_of(path))


def _check_file(key: str, source: Source) -> None:
    try:
        source.check_readable()
    except NotFoundError as error:
        raise NotFoundError(f"data.{key}: {error}") from error
    # Not its size: a file that opens and cannot be read may look empty.
    with Path(source.path).open("rb") as file:
        is_empty = not file.read(1)
    if is_empty:
        raise DataError(f"data.{key}: {source.path} is empty; expected {source.layout}.")


def _source_file(key: str, path: str, split: Split | None) -> SourceFile:
    source = source_of(path)
    _check_file(key, source)
    return SourceFile(path, split, source.digest(), Path(path).stat().st_size)


def _check_distinct(files: list[SourceFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        if file.digest in seen:
            raise DataError(
                f"{file.path} and {seen[file.digest]} have the same content: a row may be in one "
                "split only. Leave one out, and the ids decide the split."
            )
        seen[file.digest] = file.path
