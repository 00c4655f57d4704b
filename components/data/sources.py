"""The raw rows: JSONL files that exist, are not empty and have a known content."""

from __future__ import annotations

import hashlib
from pathlib import Path

from components.artifacts.storage import digest_of_file
from components.artifacts.values import Rows, SourceFile, Split
from components.config import DataConfig
from components.errors import DataError, NotFoundError


def read_rows(data: DataConfig) -> Rows:
    """Finds the files and reads their content digests.

    Raises:
      NotFoundError: a file does not exist or cannot be read.
      DataError: a file is empty, or one file is given for two splits.
    """
    train_split: Split | None = "train" if data.validation and data.test else None
    files = [_source_file("train", data.train, train_split)]
    if data.validation is not None:
        files.append(_source_file("validation", data.validation, "validation"))
    if data.test is not None:
        files.append(_source_file("test", data.test, "test"))
    _check_distinct(files)
    content = "\n".join(f"{file.split} {file.digest}" for file in files)
    return Rows(tuple(files), hashlib.sha256(content.encode()).hexdigest())


def _source_file(key: str, name: str, split: Split | None) -> SourceFile:
    path = Path(name)
    if not path.is_file():
        what = "is a directory" if path.is_dir() else "does not exist"
        raise NotFoundError(
            f"data.{key}: {name} {what} (looked in {Path.cwd()}); give the path of a JSONL file."
        )
    try:
        size, digest = path.stat().st_size, digest_of_file(path)
    except PermissionError as error:
        raise NotFoundError(f"data.{key}: {name} may not be read by this user.") from error
    if not size:
        raise DataError(f"data.{key}: {name} is empty; one JSON row a line was expected.")
    return SourceFile(name, split, digest, size)


def _check_distinct(files: list[SourceFile]) -> None:
    seen: dict[str, str] = {}
    for file in files:
        if file.digest in seen:
            raise DataError(
                f"{file.path} and {seen[file.digest]} have the same content: a row may be in one "
                "split only. Leave one out, and the ids decide the split."
            )
        seen[file.digest] = file.path
