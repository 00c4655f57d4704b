"""Atomic replacement of small files, and the error for a failed write."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnn_core.errors import StorageError


@contextlib.contextmanager
def storage_errors(directory: str | Path) -> Iterator[None]:
    """Turns a failed write into a StorageError that names the directory."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise StorageError(
            f"Cannot write to {directory}: {first_line(error)}. Free some space, or choose a "
            "model_dir that can be written; the last checkpoint is still good."
        ) from error


def first_line(error: Exception) -> str:
    """The first line of an error's text; TensorFlow's continue with a listing of the graph."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def write_text(path: Path, text: str) -> None:
    """Replaces a small file atomically: a reader sees either the old or the whole new text."""
    temporary = path.with_name(f"{path.name}.tmp-{os.getpid()}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            # Before the rename: else a loss of power could leave an empty file under the new name.
            os.fsync(file.fileno())
        temporary.replace(path)
        flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Returns when a file, or the names in a directory, would survive a loss of power (fsync)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """The value in a JSON file, None if there is no such file."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def with_prefix(prefix: str) -> list[Path]:
    """The paths that begin with ``prefix`` and a dot, sorted."""
    start = Path(prefix)
    return sorted(path for path in start.parent.glob("*") if path.name.startswith(f"{start.name}."))


def remove(path: Path) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
