"""Files and directories by path or URL, through TensorFlow's file systems.

A path is a string: a local one, or a URL of a file system that TensorFlow knows (``file://``,
``ram://``, ``gs://``, ``hdfs://``). ``pathlib`` would make the URL ``gs://bucket`` the local
directory ``gs:``. Names are compared after a listing and never globbed: the characters of a
directory's own name stand for themselves. Errors are those of Python's ``open``.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
import os
import posixpath
import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import tensorflow as tf

from rnn_core.errors import ArgumentError, StorageError

FilePath: TypeAlias = str | os.PathLike[str]
"""A local path or a URL."""

_SHORTENED_URL: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/(?!/)")
_PATTERN: Final = re.compile(r"\\|\[[^/]*\]")
_WILDCARDS: Final = frozenset("*?[")
# The first that fits counts: OpError is the base class of the others, and so the last.
_PYTHON_ERRORS: Final[tuple[tuple[type[Exception], type[OSError]], ...]] = (
    (tf.errors.NotFoundError, FileNotFoundError),
    (tf.errors.AlreadyExistsError, FileExistsError),
    (tf.errors.PermissionDeniedError, PermissionError),
    (tf.errors.OpError, OSError),
)


@contextlib.contextmanager
def storage_errors(directory: FilePath) -> Iterator[None]:
    """Turns a failed write into a StorageError that names the directory."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise StorageError(
            f"Cannot write to {directory}: {first_line(error)}. Free some space, or choose a "
            "model_dir that can be written; the last checkpoint is still good."
        ) from error


@contextlib.contextmanager
def _python_errors() -> Iterator[None]:
    """Turns an error of a TensorFlow file system into the ``OSError`` that Python would raise."""
    try:
        yield
    except tf.errors.OpError as error:
        kind = next(python for own, python in _PYTHON_ERRORS if isinstance(error, own))
        raise kind(first_line(error)) from None


def first_line(error: Exception) -> str:
    """The first line of an error's text; TensorFlow's continue with a listing of the graph."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def local_path(path: FilePath) -> str | None:
    """The path on the local file system; None if it is on another one."""
    text = os.fspath(path)
    if text.startswith("file://"):
        return text.removeprefix("file://")
    return None if "://" in text else text


def check_directory(path: FilePath, argument: str) -> None:
    """Checks that TensorFlow will read back what is written below a directory.

    Raises:
        ArgumentError: it is a URL that has passed through ``pathlib``, such as ``gs:/bucket``; or
            it is a pattern that does not match itself.
    """
    if _SHORTENED_URL.match(os.fspath(path)):
        raise ArgumentError(
            f"{argument}: expected a path or a URL such as gs://bucket/model, got "
            f"{os.fspath(path)!r}, a URL that pathlib has shortened; give it as a string."
        )
    if _PATTERN.search(os.fspath(path)):
        raise ArgumentError(
            f"{argument}: expected a path without backslashes and [...], got {os.fspath(path)!r}. "
            "TensorFlow takes the path of a checkpoint as a pattern, and would not find it there "
            "again; choose another name."
        )


def is_same(one: FilePath, other: FilePath) -> bool:
    """Whether both are one path, however it is written."""
    return _resolved(one) == _resolved(other)


def _resolved(path: FilePath) -> str:
    local = local_path(path)
    return os.fspath(path).rstrip("/") if local is None else os.path.realpath(local)


def join(directory: FilePath, *names: str) -> str:
    """The path of ``names`` below a directory; an absolute path, or a URL, replaces it."""
    path = os.fspath(directory)
    for name in names:
        path = name if "://" in name else posixpath.join(path, name)
    return path


def name_of(path: FilePath) -> str:
    """The last part of a path."""
    return os.fspath(path).rpartition("/")[2]


def parent_of(path: FilePath) -> str:
    """The directory of a path."""
    parent, slash, _ = os.fspath(path).rpartition("/")
    return (parent or slash) or os.curdir


def exists(path: FilePath) -> bool:
    """Whether there is a file or a directory."""
    with _python_errors():
        return bool(tf.io.gfile.exists(path))


def is_directory(path: FilePath) -> bool:
    """Whether there is a directory."""
    with _python_errors():
        return bool(tf.io.gfile.isdir(path))


def make_directory(path: FilePath) -> None:
    """Makes a directory, and those above it, unless it is there."""
    with _python_errors():
        tf.io.gfile.makedirs(path)


def names_in(directory: FilePath) -> list[str]:
    """The sorted names of what is in a directory; none if there is no directory."""
    try:
        # Object stores end the name of a directory with a slash.
        return sorted(name.rstrip("/") for name in tf.io.gfile.listdir(directory))
    except tf.errors.NotFoundError:
        return []


def read_bytes(path: FilePath) -> bytes:
    """The content of a file."""
    with _python_errors(), tf.io.gfile.GFile(path, "rb") as file:
        return bytes(file.read())


def read_text(path: FilePath) -> str:
    """The text in a file, which is UTF-8."""
    return read_bytes(path).decode()


def read_json(path: FilePath) -> Any:
    """The value in a JSON file, None if there is no such file."""
    return json.loads(read_text(path)) if exists(path) else None


def write_bytes(path: FilePath, content: bytes) -> None:
    """Writes a file; a reader may see a part of it meanwhile."""
    with _python_errors(), tf.io.gfile.GFile(path, "wb") as file:
        file.write(content)


def write_text(path: FilePath, text: str, *, private: bool = False) -> None:
    """Replaces a small file atomically: a reader sees either the old or the whole new text.

    A private one can be read by this process's user alone, from its first byte on. Other file
    systems than the local one have permissions of their own.
    """
    temporary = f"{os.fspath(path)}.tmp-{os.getpid()}"
    try:
        local = local_path(temporary)
        if private and local is not None:
            # Not one that is there already, of a process before: others may be able to read it.
            remove(temporary)
            os.close(os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        write_bytes(temporary, text.encode())
        # Before the rename: else a loss of power could leave an empty file under the new name.
        flush(temporary)
        rename(temporary, path)
        # The rename is a change of the directory: without this the old text could come back.
        flush(parent_of(path))
    finally:
        remove(temporary)


def flush(path: FilePath) -> None:
    """Returns when a file, or the names in a directory, would survive a loss of power (fsync).

    Other file systems than the local one have stored a file when it is closed.
    """
    local = local_path(path)
    if local is None:
        return
    # fsync is for the file, not for the descriptor: it stores what others wrote, and read-only is
    # the one way to open a directory.
    descriptor = os.open(local, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(source: FilePath, target: FilePath) -> None:
    """Renames a file, which replaces ``target``; atomic where the file system is."""
    with _python_errors():
        tf.io.gfile.rename(source, target, overwrite=True)


def rename_directory(source: str, target: str) -> None:
    """Renames a directory to a name that is free, else raises FileExistsError.

    Elsewhere than on the local file system a directory may be no more than the names of its files,
    which are renamed one by one: those in it after those further down, and so a SavedModel's own
    file last.
    """
    with _python_errors():
        if local_path(source) is not None:
            tf.io.gfile.rename(source, target, overwrite=False)
            return
        if tf.io.gfile.exists(target):
            raise FileExistsError(f"{target} exists already")
        for directory, _, names in tf.io.gfile.walk(source, topdown=False):
            moved = f"{target}{directory.removeprefix(source)}"
            tf.io.gfile.makedirs(moved)
            for name in names:
                tf.io.gfile.rename(join(directory, name), join(moved, name))
        tf.io.gfile.rmtree(source)


def copy(source: FilePath, target: FilePath) -> None:
    """Copies a file, which replaces ``target``."""
    with _python_errors():
        tf.io.gfile.copy(source, target, overwrite=True)


def remove(path: FilePath) -> None:
    """Removes a file, or a directory with all that is in it, if it is there."""
    with _python_errors(), contextlib.suppress(tf.errors.NotFoundError):
        if is_directory(path):
            tf.io.gfile.rmtree(path)
        else:
            tf.io.gfile.remove(path)


def seconds_of(path: FilePath) -> float:
    """When a file was written, in seconds since 1970."""
    local = local_path(path)
    if local is not None:
        # TensorFlow gives whole seconds.
        return os.stat(local).st_mtime  # noqa: PTH116
    with _python_errors():
        return float(tf.io.gfile.stat(path).mtime_nsec / 1e9)


def bytes_of(path: FilePath) -> int:
    """The size of a file."""
    with _python_errors():
        return int(tf.io.gfile.stat(path).length)


def with_prefix(prefix: FilePath) -> list[str]:
    """The paths that begin with ``prefix`` and a dot, sorted."""
    directory, start = parent_of(prefix), f"{name_of(prefix)}."
    return [join(directory, name) for name in names_in(directory) if name.startswith(start)]


def matching(directory: FilePath, pattern: str) -> list[str]:
    """The paths that match ``pattern``, sorted.

    Args:
        directory: taken as it is, whatever characters it contains.
        pattern: a path with wildcards (``*``, ``?``, ``[...]``) below ``directory``; one that is
            absolute, or a URL, stands alone.
    """
    base, rest = os.fspath(directory), pattern
    if pattern.startswith("/") or "://" in pattern:
        below = f"{base.rstrip('/')}/"
        base, rest = (
            (base, pattern.removeprefix(below)) if pattern.startswith(below) else _root(pattern)
        )
    found = [base]
    for part in rest.strip("/").split("/"):
        found = [path for each in found for path in _children(each, part)]
    return sorted(path for path in found if exists(path))


def _root(path: str) -> tuple[str, str]:
    """The start of an absolute path that is not a name, such as ``/`` or ``ram://``; the rest."""
    scheme, mark, rest = path.rpartition("://")
    slash = "/" if rest.startswith("/") else ""
    return f"{scheme}{mark}{slash}", rest.lstrip("/")


def _children(directory: str, part: str) -> list[str]:
    if not _WILDCARDS & set(part):
        return [join(directory, part)]
    names = names_in(directory)
    # A name with brackets is itself, although as a pattern it does not match itself.
    return [join(directory, n) for n in names if n == part or fnmatch.fnmatchcase(n, part)]
