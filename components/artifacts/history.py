"""The history of a training run: one JSON line per point, appended as training goes.

    {"step": 50, "timestamp_milliseconds": 1767225600000, "metrics": {"train/loss": 0.7}}

A model that several fits make has one history: the metrics of all but the first begin with the name
of their fit, as ``refit/train/loss``, and their steps are those of that fit. The file is the one
record of the curve: it is drawn, tracked and resumed from here.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from components.artifacts.storage import storage_errors, write_atomically

HISTORY = "history.jsonl"
"""Name of the file, in the directory of a model."""


@dataclass(frozen=True)
class HistoryPoint:
    """What was known at one global step: names such as ``train/loss``, ``validation/accuracy``."""

    step: int
    timestamp_milliseconds: int
    metrics: Mapping[str, float]


_POINT = TypeAdapter(HistoryPoint)


def name_in_fit(fit: str, metric: str) -> str:
    """The name of a metric such as ``train/loss`` in the history, where it is of this fit."""
    return f"{fit}/{metric}" if fit else metric


def _is_of(fit: str, point: HistoryPoint) -> bool:
    # Within a fit the names have two parts.
    return all(name == name_in_fit(fit, "/".join(name.split("/")[-2:])) for name in point.metrics)


def append_point(path: Path, step: int, metrics: Mapping[str, float]) -> None:
    """Adds one line; it counts as written once its newline is.

    Raises:
        StorageError: the disk is full.
    """
    line = _line(HistoryPoint(step, time.time_ns() // 1_000_000, dict(metrics)))
    with storage_errors(path), path.open("a", encoding="utf-8") as file:
        file.write(line)


def add_points(path: Path, points: Iterable[HistoryPoint]) -> None:
    """Adds points with the times that they have: all of them, or after a kill none."""
    write_atomically(path, "".join(_line(point) for point in [*read_history(path), *points]))


def read_history(path: Path) -> tuple[HistoryPoint, ...]:
    """The points of a history, in order; a last line that a kill tore is left out.

    Without a file there are no points.

    Raises:
        ValueError: a whole line is not a point.
    """
    if not path.is_file():
        return ()
    lines = path.read_bytes().splitlines(keepends=True)
    return tuple(_POINT.validate_json(line) for line in lines if line.endswith(b"\n"))


def truncate_after(path: Path, step: int, fit: str = "") -> None:
    """Drops the points of a fit behind its ``step``, which training will make again."""
    points = read_history(path)
    kept = [point for point in points if point.step <= step or not _is_of(fit, point)]
    write_atomically(path, "".join(_line(point) for point in kept))


def read_history_behind(path: Path, offset: int) -> tuple[tuple[HistoryPoint, ...], int]:
    """The points behind ``offset`` bytes, and the offset behind them; an unfinished line waits."""
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    # The rest is a line that is being written, or that a kill cut short: it is not read yet.
    complete = data[: data.rfind(b"\n") + 1]
    points = tuple(_POINT.validate_json(line) for line in complete.splitlines())
    return points, offset + len(complete)


class HistoryReader:
    """Reads what is new in a history that another process writes.

    When that one drops points that it will make again, what it keeps is not read a second time.
    What the file holds when this is made counts as read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = 0
        self._offset = 0
        self.new_points()

    def new_points(self) -> tuple[HistoryPoint, ...]:
        """The points behind those of the last call; a line without its end waits."""
        try:
            # ``truncate_after`` replaces the file (another inode): all that it kept was read.
            status = self._path.stat()
            if self._file not in (0, status.st_ino) or status.st_size < self._offset:
                self._offset = status.st_size
            self._file = status.st_ino
            points, self._offset = read_history_behind(self._path, self._offset)
        except FileNotFoundError:
            return ()
        return points


def series(points: tuple[HistoryPoint, ...], name: str) -> tuple[list[int], list[float]]:
    """The steps and values of one metric."""
    known = [(point.step, point.metrics[name]) for point in points if name in point.metrics]
    return [step for step, _ in known], [value for _, value in known]


def steps_per_second(points: tuple[HistoryPoint, ...], metric: str = "train/loss") -> float | None:
    """The speed of a training; None if there are too few points.

    It is the median over neighbouring points, which neither an evaluation between two of them nor a
    night between a kill and the next start changes.
    """
    steps, times = [], []
    for point in points:
        if metric in point.metrics:
            steps.append(point.step)
            times.append(point.timestamp_milliseconds)
    speeds = [
        1000 * (step - step_before) / (time - time_before)
        for step_before, step, time_before, time in zip(
            steps, steps[1:], times, times[1:], strict=False
        )
        if time > time_before
    ]
    return statistics.median(speeds) if speeds else None


def _line(point: HistoryPoint) -> str:
    return json.dumps(asdict(point)) + "\n"
