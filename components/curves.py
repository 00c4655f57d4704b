"""The learning curves of a training run: ``history.jsonl``, read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass


@dataclass(frozen=True)
class HistoryPoint:
    """What was known at one global step: names such as ``train/loss``, ``validation/accuracy``."""

    step: int
    timestamp_milliseconds: int
    metrics: Mapping[str, float]


_POINT = TypeAdapter(HistoryPoint)


def read_history(path: Path) -> tuple[HistoryPoint, ...]:
    """The points of a history, by step; the last of two at a step counts, name by name.

    A resumed run writes some steps a second time, and a killed one may leave half a line at the
    end, which is left out. Without a file there are no points.

    Raises:
      ValueError: a whole line is not a point.
    """
    if not path.is_file():
        return ()
    latest: dict[int, HistoryPoint] = {}
    for line in path.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n") and line.strip():
            point = _POINT.validate_python(json.loads(line))
            before = latest[point.step].metrics if point.step in latest else {}
            merged = {**before, **point.metrics}
            latest[point.step] = HistoryPoint(point.step, point.timestamp_milliseconds, merged)
    return tuple(latest[step] for step in sorted(latest))


def series(points: tuple[HistoryPoint, ...], name: str) -> tuple[list[int], list[float]]:
    """The steps and values of one metric."""
    known = [(point.step, point.metrics[name]) for point in points if name in point.metrics]
    return [step for step, _ in known], [value for _, value in known]
