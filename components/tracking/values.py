"""Values as MLflow takes them: parameters as text, allowed names, points of a curve, batches."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from components.artifacts.history import read_history_behind

# Limits of MLflow's API: https://mlflow.org/docs/latest/api_reference/rest-api.html
POINTS_PER_BATCH = 1000
PARAMS_PER_BATCH = 100
PARAM_LENGTH = 6000
NAME_LENGTH = 250
# Columns of mlflow.store.tracking.dbmodels: PostgreSQL refuses what is longer, SQLite does not.
RUN_NAME_LENGTH = 250
TAG_LENGTH = 8000
DATASET_NAME_LENGTH = 500
INPUT_TAG_LENGTH = 500
REGISTRY_TEXT_LENGTH = 5000
"""Of a tag of a version, and of the description of a version or a registered model."""

NOTE_TAG = "mlflow.note.content"
"""The description of a run or an experiment, in Markdown."""

_Item = TypeVar("_Item")
_REFUSED = re.compile(r"[^/\w.\- :]")


@dataclasses.dataclass(frozen=True)
class Point:
    """One value of a metric; ``step`` is the global step, the time is that of the event."""

    name: str
    value: float
    step: int
    timestamp_milliseconds: int


def param_texts(params: Mapping[str, object]) -> dict[str, str]:
    """Parameters as text; a value too long for MLflow is cut into parts.

    ``{"units": [1, 2]}`` becomes ``{"units": "[1, 2]"}``; the second part of a long value is
    ``name.part2``, and so on.
    """
    texts: dict[str, str] = {}
    for name, value in params.items():
        is_collection = isinstance(value, Mapping | list | tuple)
        text = json.dumps(value, ensure_ascii=False, default=str) if is_collection else str(value)
        texts[safe_name(name)] = text[:PARAM_LENGTH]
        for number, start in enumerate(range(PARAM_LENGTH, len(text), PARAM_LENGTH), start=2):
            texts[safe_name(f"{name}.part{number}")] = text[start : start + PARAM_LENGTH]
    return texts


def storable(value: Any) -> Any:
    """A text, or a JSON value with texts in it, as every database of MLflow takes it.

    PostgreSQL takes no NUL.
    """
    if isinstance(value, str):
        return value.replace("\0", "\N{SYMBOL FOR NULL}")
    if isinstance(value, dict):
        return {storable(name): storable(each) for name, each in value.items()}
    return [storable(each) for each in value] if isinstance(value, list) else value


def run_page(experiment_id: str, run_id: str) -> str:
    """The page of a run, as a link from another page of MLflow.

    Without ``workflowType`` a browser that MLflow has not seen before shows the menus for language
    models.
    """
    return f"#/experiments/{experiment_id}/runs/{run_id}?workflowType=machine_learning"


def version_page(name: str, version: int) -> str:
    """The page of a model version, as a link from another page of MLflow."""
    return f"#/models/{quote(name)}/versions/{version}?workflowType=machine_learning"


def safe_name(name: str) -> str:
    """A name that MLflow takes for a parameter or metric; another one only where it must.

    A changed name ends in eight digits of the original's digest, so that two stay two.
    """
    if not name:
        return "unnamed"
    # MLflow makes folders of names on some stores: "a/../b" would be another metric's file.
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
    """The points of a ``history.jsonl`` behind ``offset`` bytes, and the offset behind them.

    A file in which no line ends at ``offset`` was cut and written again since, and is read from
    its start: MLflow drops the points that it has.
    """
    if not history.exists():
        return [], offset
    with history.open("rb") as file:
        file.seek(max(0, offset - 1))
        start = offset if offset and file.read(1) == b"\n" else 0
    new, end = read_history_behind(history, start)
    points = [
        Point(name, value, point.step, point.timestamp_milliseconds)
        for point in new
        for name, value in point.metrics.items()
    ]
    return points, end
