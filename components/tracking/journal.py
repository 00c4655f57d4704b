"""The journal of a pipeline run: what is to be tracked, on disk before it is sent.

``tracking.jsonl`` holds one event per line and only grows. ``tracking.cursor.json`` beside it holds
the position up to which the events were sent, and the MLflow runs that were made.
``tracking.rejected.jsonl`` keeps what the server refused for good. A line that a kill cut short
counts as never written.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from components.artifacts.storage import locked_file, storage_errors, write_atomically

Event: TypeAlias = dict[str, Any]
"""``event`` is its kind, ``key`` names the run it belongs to; the rest depends on the kind."""


class ServerUnreachableError(Exception):
    """The server does not answer now; it may later. Never leaves the tracking modules."""


@dataclasses.dataclass(frozen=True)
class Cursor:
    """The position up to which the server has the journal."""

    offset: int = 0
    """Bytes of the journal that were sent or rejected."""
    runs: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """MLflow run ids by key."""
    attempts: int = 0
    """How often the event at ``offset`` failed although the server answered."""
    experiment: str = ""
    """MLflow's id of the experiment; empty before the first run was made."""


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
        """The complete events from ``offset`` on, each with the offset of the next one."""
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
        """The stored position; the start of the journal if nothing was sent."""
        if not self.cursor_path.exists():
            return Cursor()
        return Cursor(**json.loads(self.cursor_path.read_bytes()))

    def move_cursor(self, cursor: Cursor) -> None:
        """Stores the position, atomically."""
        write_atomically(self.cursor_path, json.dumps(dataclasses.asdict(cursor)))

    def unsent(self) -> int:
        """Events that the server does not have yet."""
        return sum(1 for _ in self.read(self.cursor().offset))

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Held while events are sent, so that no event is sent by two threads or processes."""
        # A lock apart from the journal's own, which ``append`` takes: logging never waits for a
        # server.
        with locked_file(self.path.with_suffix(".lock")):
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
    except (TypeError, ValueError):
        # A damaged disk. No event has this kind, so that it will be rejected, not block the rest.
        return {"event": "unreadable", "text": line.decode(errors="replace")}


def _append_lines(path: Path, events: Iterable[Event]) -> None:
    data = b"".join(json.dumps(event).encode() + b"\n" for event in events)
    with storage_errors(path), locked_file(path) as file:
        # A line that a kill cut short would otherwise run into the first of these.
        file.truncate(_complete_bytes(path))
        file.write(data)
        file.flush()
        # On disk before the caller goes on: what is tracked must survive a kill at any moment.
        os.fsync(file.fileno())


def _complete_bytes(path: Path) -> int:
    """Bytes of the file up to its last newline: a kill cut short what follows."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        end = size
        while end > 0:
            # Blocks from the end: the journal may be large, its last line is short.
            start = max(0, end - 65_536)
            file.seek(start)
            newline = file.read(end - start).rfind(b"\n")
            if newline >= 0:
                return start + newline + 1
            end = start
    return 0
