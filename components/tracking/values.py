"""Values as MLflow takes them: flat parameters with allowed names, points of a curve, batches."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

POINTS_A_BATCH = 1000
PARAMS_A_BATCH = 100
PARAM_LENGTH = 6000
NAME_LENGTH = 250

_Item = TypeVar("_Item")
_REFUSED = re.compile(r"[^/\w.\- :]")


@dataclasses.dataclass(frozen=True)
class Point:
    """One value of a metric; ``step`` is the global step, the time is that of the event."""

    name: str
    value: float
    step: int
    timestamp_milliseconds: int


def flat_params(values: Mapping[str, object]) -> dict[str, str]:
    """Parameters as text, under dotted names; a value too long for MLflow is cut into parts.

    ``{"a": {"b": [1, 2]}}`` becomes ``{"a.b": "[1, 2]"}``; the second part of a long value is
    ``name.part2``, and so on.
    """
    return dict(part for name, value in _leaves("", values) for part in _parts(name, value))


def safe_name(name: str) -> str:
    """A name that MLflow takes for a parameter or metric; another one only where it must.

    A changed name ends in eight digits of the original's digest, so that two stay two.
    """
    if not name:
        return "unnamed"
    unique = posixpath.normpath(name) == name and not name.startswith(("/", ".."))
    if unique and name != "." and len(name) <= NAME_LENGTH and not _REFUSED.search(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    plain = re.sub(r"[^\w\- :]", "_", name)[: NAME_LENGTH - 9]
    return f"{plain}-{digest}"


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """The items in lists of ``size``, the last one shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def read_points(history: Path, offset: int) -> tuple[list[Point], int]:
    """The points of the whole lines of a ``history.jsonl`` behind ``offset``, and the new offset.

    A line is ``{"step", "timestamp_milliseconds", "metrics": {name: value}}``. A file without the
    end of a line at ``offset`` was cut and written anew, and is read from its start.
    """
    if not history.exists():
        return [], offset
    with history.open("rb") as file:
        file.seek(max(0, offset - 1))
        start = offset if offset and file.read(1) == b"\n" else 0
        file.seek(start)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [point for line in whole.splitlines() for point in _points(line)], start + len(whole)


def _points(line: bytes) -> list[Point]:
    row = json.loads(line)
    step, milliseconds = int(row["step"]), int(row["timestamp_milliseconds"])
    return [Point(name, float(value), step, milliseconds) for name, value in row["metrics"].items()]


def _leaves(prefix: str, values: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            yield from _leaves(f"{name}.", value)
        else:
            yield name, _as_text(value)


def _parts(name: str, value: str) -> Iterator[tuple[str, str]]:
    yield safe_name(name), value[:PARAM_LENGTH]
    for number, start in enumerate(range(PARAM_LENGTH, len(value), PARAM_LENGTH), start=2):
        yield safe_name(f"{name}.part{number}"), value[start : start + PARAM_LENGTH]


def _as_text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
