"""The journal of a pipeline run: what is to be tracked, on disk before it is sent.

``tracking.jsonl`` holds one event a line and only grows. ``tracking.cursor.json`` beside it says
how far the tracking server has it, and which MLflow runs were made. ``tracking.rejected.jsonl``
keeps what the server refused for good. A line that a kill tore off counts as never written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from components.artifacts.storage import storage_errors, write_atomically

Event: TypeAlias = dict[str, Any]
"""``event`` is its kind, ``key`` names the run it belongs to; the rest depends on the kind."""


class AwayError(Exception):
    """The server does not answer now; it may later. Never leaves the tracking modules."""


@dataclasses.dataclass(frozen=True)
class Cursor:
    """How far the server has the journal."""

    offset: int = 0
    """Bytes of the journal that were sent or refused."""
    runs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """MLflow run ids by key."""
    attempts: int = 0
    """How often the event at ``offset`` failed although the server answered."""


class Journal:
    """One journal file; several threads and processes may append to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor_path = path.with_suffix(".cursor.json")
        self.rejected_path = path.with_suffix(".rejected.jsonl")

    def append(self, events: Iterable[Event]) -> None:
        """Writes the events and waits until the disk has them.

        Raises:
          StorageError: the disk is full or the directory cannot be written.
        """
        _append_lines(self.path, events)

    def reject(self, event: Event, reason: str) -> None:
        """Keeps an event that the server will never take, with the reason."""
        _append_lines(self.rejected_path, [{"reason": reason, **event}])

    def read(self, offset: int = 0) -> Iterator[tuple[Event, int]]:
        """The whole events from ``offset`` on, each with the offset behind it."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return
                offset += len(line)
                yield _parsed(line), offset

    def cursor(self) -> Cursor:
        """How far the server has this journal; the start if nothing was sent."""
        if not self.cursor_path.exists():
            return Cursor()
        return Cursor(**json.loads(self.cursor_path.read_bytes()))

    def move_cursor(self, cursor: Cursor) -> None:
        """Notes, atomically, how far the server has this journal."""
        write_atomically(self.cursor_path, json.dumps(dataclasses.asdict(cursor)))

    def unsent(self) -> int:
        """Events that the server does not have yet."""
        return sum(1 for _ in self.read(self.cursor().offset))

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Held by the one that sends, so that no event is sent by two."""
        path = self.path.with_suffix(".lock")
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("wb")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def without_credentials(uri: str) -> str:
    """The address of a server as it may be written to a file or a log."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _parsed(line: bytes) -> Event:
    try:
        return dict(json.loads(line))
    except (
        TypeError,
        ValueError,
    ):  # a damaged disk: nothing knows this kind, so it will be put aside
        return {"event": "unreadable", "text": line.decode(errors="replace")}


def _append_lines(path: Path, events: Iterable[Event]) -> None:
    data = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.truncate(_whole_lines(path))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def _whole_lines(path: Path) -> int:
    """Bytes of the file up to its last newline: what follows was torn off by a kill."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            start = max(0, end - 65536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
