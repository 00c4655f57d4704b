"""The files of a log of answers: whole lines in files of bounded size, age and number.

A folder holds ``answers-TIME-RANDOM.jsonl``, each of which one server has written. Several servers
may share a folder: a server holds a lock on the file that it writes, so that no other one removes
it, and the bound is on the files of all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from components.errors import UserError

PATTERN: Final = "answers-*.jsonl"
_LEAST_FILES: Final = 4
"""The oldest file is removed where there is no room: of the bound no more than a quarter."""


@dataclass(frozen=True)
class LogOptions:
    """What is logged, and where; each value is an option of ``rnnflow serve``."""

    folder: Path
    share: float = 1.0
    """Of the rows that are answered, drawn at random."""
    dropped: frozenset[str] = frozenset()
    """Fields that are left out: of the row, or values of its context or its sequence."""
    max_bytes: int = 1 << 30
    """Of all files; the oldest ones are removed."""
    file_bytes: int = 16 << 20
    """From this size on another file is begun."""
    file_seconds: float = 86_400.0
    """From this age on another file is begun."""


class LogFiles:
    """Appends lines, of which a crash leaves whole ones only.

    A line is in the hands of the system when ``append`` returns: it outlives the process.
    """

    def __init__(self, options: LogOptions) -> None:
        self._folder = options.folder
        self._max_bytes = options.max_bytes
        self.file_bytes = min(options.file_bytes, options.max_bytes // _LEAST_FILES)
        """The largest file, and the largest line."""
        self._file_seconds = options.file_seconds
        self._descriptor: int | None = None
        self._path = Path()
        self._size = 0
        self._began = 0.0
        self.total_bytes = 0
        """Of all files of the folder, when something was last written."""

    def check_writable(self) -> None:
        """Makes the folder, and checks that files can be written there.

        Raises:
            UserError: they cannot.
        """
        probe = self._folder / f".probe-{secrets.token_hex(4)}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise UserError(
                f"--log: expected a folder in which answers can be logged, but {self._folder} "
                f"cannot be written: {error.strerror or error}."
            ) from None

    def append(self, block: bytes) -> None:
        """Appends whole lines, ``file_bytes`` of them at most, to one file.

        Raises:
            OSError: they cannot be written; no part of them is left.
        """
        self._close_if_over(len(block))
        self._make_room(len(block))
        descriptor = self._open()
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError:
            # A full disk takes a part of a line.
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, self._size)
            self.close()
            raise
        self._size += len(block)
        self.total_bytes += len(block)

    def close(self) -> None:
        """Ends the file; the next line begins another one."""
        if self._descriptor is not None:
            os.close(self._descriptor)  # and the lock is free
            self._descriptor = None

    def _close_if_over(self, coming_bytes: int) -> None:
        if self._descriptor is None:
            return
        is_over = self._size + coming_bytes > self.file_bytes
        is_old = time.monotonic() - self._began >= self._file_seconds
        # Somebody has removed it: what is written there would be lost.
        is_gone = os.fstat(self._descriptor).st_nlink == 0
        if is_over or is_old or is_gone:
            self.close()

    def _open(self) -> int:
        if self._descriptor is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
            # Random digits, as several servers may begin a file in one second.
            path = self._folder / f"answers-{now}-{secrets.token_hex(4)}.jsonl"
            # Not for all users of the machine: requests may hold personal data.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._descriptor = os.open(path, flags, 0o640)
            fcntl.flock(self._descriptor, fcntl.LOCK_SH)
            self._path, self._size, self._began = path, 0, time.monotonic()
        return self._descriptor

    def _make_room(self, coming_bytes: int) -> None:
        """Removes the oldest files, but none that a server writes."""
        sizes = dict(_sizes(self._folder))
        self.total_bytes = sum(sizes.values())
        for path in sorted(sizes):
            if self.total_bytes + coming_bytes <= self._max_bytes:
                return
            if _remove_unless_written(path):
                self.total_bytes -= sizes[path]
        if self.total_bytes + coming_bytes > self._max_bytes:
            raise OSError(
                errno.EDQUOT, "all of --log-max-bytes is in files that servers are writing"
            )


def log_files(folder: Path) -> list[Path]:
    """The files of a log, the oldest first."""
    return sorted(folder.glob(PATTERN))


def _sizes(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in log_files(folder):
        with contextlib.suppress(FileNotFoundError):  # another server has removed it
            yield path, path.stat().st_size


def _remove_unless_written(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        path.unlink(missing_ok=True)
    return True
