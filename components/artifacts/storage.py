"""Files and directories that appear whole or not at all, and the digest of a file.

What is large lies in a directory that is built as ``<name>.partial``, marked with ``_SUCCESS`` and
renamed when it is complete.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from components.errors import StorageError, UserError

SUCCESS = "_SUCCESS"
"""Marks a directory that was finished."""
_RESUMABLE = "_RESUMABLE"
"""Marks a partial directory that the next build of the same artifact continues."""
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_TEMPORARY = re.compile(r"\..+\.[a-z0-9_]{8}")
"""The names that ``write_atomically`` gives a file before it has its own."""


def is_url(path: str) -> bool:
    """Whether a path is a URL such as ``s3://bucket/rows``, and none of this machine's."""
    return _URL.match(path) is not None


def is_complete(directory: Path) -> bool:
    """Whether an artifact directory was finished."""
    return (directory / SUCCESS).is_file()


def partial_of(directory: Path) -> Path:
    """Where an artifact directory is while it is built, and if that was interrupted."""
    return directory.with_name(directory.name + ".partial")


def is_resumable(partial: Path) -> bool:
    """Whether an interrupted build left something that another one continues from."""
    return (partial / _RESUMABLE).is_file()


def left_by_a_kill(path: Path) -> bool:
    """Whether it is a file that ``write_atomically`` was still writing, if nobody writes now."""
    return _TEMPORARY.fullmatch(path.name) is not None and path.is_file()


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files below a directory."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.lstat().st_size for each in files if each.is_file() or each.is_symlink())


@contextlib.contextmanager
def building(directory: Path, *, resume: bool = False) -> Iterator[Path]:
    """Yields ``<directory>.partial``; on success it becomes ``directory``, whole.

    After an error it is removed, unless the next build is to resume it.

    Args:
        directory: the artifact's directory; what is there is replaced.
        resume: keep what an earlier, interrupted build left in the partial directory.

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    partial = partial_of(directory)
    with storage_errors(directory):
        if not resume:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
        if resume:
            (partial / _RESUMABLE).touch()
        try:
            yield partial
        except BaseException:
            if not resume:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        # The mark comes before the rename: a directory that has its final name is complete. A kill
        # between the last two steps leaves neither, and the stage runs again.
        write_atomically(partial / SUCCESS, b"")
        (partial / _RESUMABLE).unlink(missing_ok=True)
        shutil.rmtree(directory, ignore_errors=True)
        partial.replace(directory)
        _sync_directory(directory.parent)


def write_atomically(path: Path, content: bytes | str) -> None:
    """Writes a file so that a reader, or a crash, sees the old content or the new one.

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    with open_atomically(path, prefix=f".{path.name}.", suffix="") as file:
        file.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def open_atomically(
    path: Path, prefix: str | None = None, suffix: str = ".partial"
) -> Iterator[BinaryIO]:
    """Opens a file that has another name until it is complete: ``<name>.….partial`` beside it.

    After an error it is removed; a kill leaves it under that name.

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # In the same folder, as a rename is atomic only within one file system.
        handle, name = tempfile.mkstemp(
            dir=path.parent, prefix=prefix or f"{path.name}.", suffix=suffix
        )
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
                file.flush()
                # Before the rename: a power cut could otherwise leave the new name without content.
                os.fsync(file.fileno())
            # mkstemp lets only this user read; artifacts are for others too.
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_directory(path.parent)


@contextlib.contextmanager
def locked_file(path: Path, *, wait: bool = True) -> Iterator[BinaryIO]:
    """Opens a file to read and append, and holds an exclusive lock on it while it is open.

    The system frees the lock when the process ends, however it ends.

    Args:
        path: the file; it is created if it is missing, with its folder.
        wait: for another holder of the lock to free it.

    Raises:
        BlockingIOError: the lock is held elsewhere, and ``wait`` is false.
        StorageError: the file cannot be written.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        # "a" creates the file and keeps what a holder of the lock has written.
        file = path.open("a+b")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield file


# Disk or quota full, read-only, no permission, file too large: what a user can change.
STORAGE_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EFBIG})


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turns a full disk or a directory that cannot be written into one clear error.

    Raises:
        StorageError: with the path and what to do.
    """
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno not in STORAGE_ERRNOS:
            raise
        raise StorageError(
            f"cannot write {path}: {error.strerror}. Nothing half written is in use; "
            "free some space or choose another work_dir, and start again."
        ) from error


def check_output(path: Path) -> None:
    """Checks, before any work, that a file can be written there.

    Raises:
        UserError: it is a directory, or is in none.
    """
    if path.is_dir():
        raise UserError(f"--output: expected the path of a file, but {path} is a directory.")
    _check_folder(path)


def check_output_directory(path: Path) -> None:
    """Checks, before any work, that a new directory can be made there.

    Raises:
        UserError: something is there already, or it is in no directory.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UserError(f"--output: {path} exists already: give the path of a new directory.")
    _check_folder(path)


def _check_folder(path: Path) -> None:
    there = next(each for each in path.absolute().parents if each.exists())
    if not there.is_dir():
        raise UserError(f"--output: {path} cannot be written: {there} is a file.")


def copy_directory(source: Path, target: Path) -> None:
    """Copies a directory so that the copy appears whole; an empty one may be there.

    Raises:
        StorageError: the disk is full or the directory cannot be written.
    """
    with storage_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as partial:
            copy = Path(partial) / target.name
            shutil.copytree(source, copy)
            copy.replace(target)
        _sync_directory(target.parent)


def digest_of_file(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of_directory(directory: Path) -> str:
    """SHA-256 over the names and the contents of all files below a directory, in hexadecimal."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return combined_digest(
        (path.relative_to(directory).as_posix(), digest_of_file(path)) for path in files
    )


def combined_digest(parts: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (name, digest) pairs in their order, in hexadecimal."""
    content = "\n".join(f"{name} {digest}" for name, digest in parts)
    return hashlib.sha256(content.encode()).hexdigest()


def _sync_directory(directory: Path) -> None:
    """Waits until a rename is on disk, which it is once its folder is."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
