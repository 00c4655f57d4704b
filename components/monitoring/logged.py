"""Reads a log of answers, while servers go on writing it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from components.data.row_parsing import InvalidRow
from components.data.sources.jsonl import decode_line
from components.errors import NotFoundError
from components.monitoring.log_files import log_files


@dataclass(frozen=True, slots=True)
class LoggedAnswer:
    """One row that was answered."""

    row: dict[str, Any]
    """As it came, without the fields that are not logged."""
    row_id: str
    version: int
    label: Any
    """What was answered; of a row whose steps have answers, a list of each."""
    confidence: Any
    """The probability of the answer, or a list of each."""
    seconds: float
    """When it was answered, since 1970."""
    dropped: tuple[str, ...]
    """Fields that are not logged."""


class ServedLog:
    """The answers of a folder.

    Args:
        folder: what ``rnnflow serve --log`` has.
        since_seconds: answers of before this time, in seconds since 1970, are passed over.

    Raises:
        NotFoundError: there is no log.
    """

    def __init__(self, folder: Path, since_seconds: float = 0.0) -> None:
        self.folder = folder
        self._since_seconds = since_seconds
        self.unreadable_lines = 0
        """Of the last time that the answers were read."""
        if not log_files(folder):
            what = "holds no answers" if folder.is_dir() else "is no folder"
            raise NotFoundError(
                f"--served: expected the folder that `rnnflow serve NAME --log FOLDER` writes, but "
                f"{folder} {what}."
            )

    def answers(self) -> Iterator[LoggedAnswer]:
        """All answers, in about the order of their times."""
        self.unreadable_lines = 0
        for path in self._files():
            for line in _whole_lines(path):
                found = _answer_of(line)
                if found is None:
                    self.unreadable_lines += 1
                elif found.seconds >= self._since_seconds:
                    yield found

    def dropped(self) -> frozenset[str]:
        """The fields that are missing in some files: a server logs all rows alike."""
        firsts = (next(map(_answer_of, _whole_lines(path)), None) for path in self._files())
        return frozenset(name for first in firsts if first for name in first.dropped)

    def _files(self) -> Iterator[Path]:
        for path in log_files(self.folder):
            # A server may remove its oldest file at any moment.
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime >= self._since_seconds:
                    yield path


def _whole_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file; one without its end is being written."""
    try:
        with path.open("rb") as file:
            yield from (line for line in file if line.endswith(b"\n"))
    except FileNotFoundError:
        return


def _answer_of(line: bytes) -> LoggedAnswer | None:
    """What a line holds; None if it is no line of a log."""
    row = decode_line(line)
    if isinstance(row, InvalidRow) or not isinstance(row, dict):
        return None
    try:
        prediction = row.pop("prediction")
        return LoggedAnswer(
            row,
            str(row["id"]),
            int(prediction["model_version"]),
            prediction["label"],
            prediction["confidence"],
            datetime.fromisoformat(prediction["time"]).astimezone(UTC).timestamp(),
            tuple(prediction.get("dropped", ())),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
