"""Looks at JSONL files and proposes settings for them, with notes on what a person should check.

Numbers become a numeric feature, strings a vocabulary, whole numbers that use nearly every value
from 0 or 1 on an id. What some rows lack or what no model can take is left out, and a note says so.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.artifacts.values import SPLITS, Split
from components.config import (
    DataConfig,
    TrainingConfig,
)
from components.data.feature_inference import infer_feature, why_left_out
from components.data.jsonl import Chunk, chunks, lines, read_chunk
from components.data.row_parsing import BadRow, excerpt
from components.data.sources import read_rows
from components.data.splits import bands_of
from components.errors import DataError
from components.features.config import AnyFeature, FeaturesConfig
from components.features.observed import Observed, Part
from components.gate_config import Bound, GateConfig

_PARTS: tuple[Part, ...] = ("sequence", "context")
_ROW = '{"id": "a-1", "label": "yes", "context": {"age": 41}, "sequence": {"pulse": [61, 63, 60]}}'


@dataclass(frozen=True)
class Proposal:
    """Settings that fit the data, what the data hold, and what a person should check.

    ``rows`` counts the usable rows of each split, ``unusable`` those that the settings refuse,
    ``labels`` the rows of each label; ``lengths`` are the least, median and greatest number of
    steps; a note is one line.
    """

    data: DataConfig
    features: FeaturesConfig
    training: TrainingConfig
    gate: GateConfig
    rows: dict[Split, int]
    unusable: int
    labels: dict[str, int]
    lengths: tuple[int, int, int]
    notes: tuple[str, ...]


def propose(data: DataConfig) -> Proposal:
    """Reads all rows twice: to see what is in them, and to try the settings on them.

    Raises:
      NotFoundError: a file does not exist.
      DataError: a file is empty or holds something else than rows, no sequence can be used, or
        there are fewer than two labels.
    """
    parts = [chunk for file in read_rows(data).files for chunk in chunks(file)]
    features, notes = _propose_features(parts, data)
    trial = _try(parts, data, features)
    if trial.refused:
        notes.append(f"{trial.refused:,} rows cannot be used; the first is {trial.first_refused}.")
    lengths = sorted(trial.lengths)
    return Proposal(
        data=data,
        features=features,
        training=propose_training(trial.rows["train"]),
        gate=propose_gate(trial.labels, trial.rows["test"]),
        rows=trial.rows,
        unusable=trial.refused,
        labels=dict(sorted(trial.labels.items())),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        notes=tuple(" ".join(note.split()) for note in notes),
    )


def propose_training(rows: int) -> TrainingConfig:
    """More passes over few rows, larger batches of many; 20 evaluations, and patience for 6."""
    batch_size = 32 if rows < 10_000 else 64 if rows < 100_000 else 128
    epochs = 80 if rows < 1_000 else 30 if rows < 10_000 else 10
    every = max(10, _rounded(epochs * rows / batch_size / 20))
    return TrainingConfig(
        batch_size=batch_size,
        max_steps=20 * every,
        evaluate_every_steps=every,
        log_every_steps=max(1, every // 5),
        early_stopping_patience_steps=6 * every,
    )


def propose_gate(labels: Mapping[str, int], test_rows: int) -> GateConfig:
    """Half way from always naming the commonest label to always being right."""
    majority = max(labels.values()) / sum(labels.values())
    return GateConfig(
        bounds={"accuracy": Bound(min=math.floor(50 * (1 + majority)) / 100)},
        min_examples=max(1, test_rows * 4 // 5),
    )


def _propose_features(parts: Sequence[Chunk], data: DataConfig) -> tuple[FeaturesConfig, list[str]]:
    rows, seen = _look(parts)
    notes: list[str] = []
    features: dict[Part, dict[str, AnyFeature]] = {"sequence": {}, "context": {}}
    for part in _PARTS:
        for name, values in sorted(seen[part].items()):
            feature = infer_feature(values)
            why_not = why_left_out(name, values, rows, data.bad_rows_allowed_fraction)
            if why_not is None and part == "context" and name in features["sequence"]:
                why_not = "a sequence has this name; rename one of them."
            if feature is None or why_not is not None:
                notes.append(f"{part}.{name} is left out: {why_not}")
                continue
            features[part][name] = feature
            if doubt := feature.doubt():
                notes.append(f"{part}.{name} {doubt}")
    if not features["sequence"]:
        found = "\n".join(["", *notes])
        raise DataError(f"{data.train} has no sequence that can be used; a row was expected to "
                        f"look like {_ROW}{found}")  # fmt: skip
    return FeaturesConfig(features["sequence"], features["context"]), notes


def _look(parts: Sequence[Chunk]) -> tuple[int, dict[Part, dict[str, Observed]]]:
    """Counts the rows, and sees what each feature's values look like."""
    rows = 0
    seen: dict[Part, dict[str, Observed]] = {"sequence": {}, "context": {}}
    for chunk in parts:
        for number, line in lines(chunk):
            row = _json_object(chunk.source, number, line)
            rows += row is not None
            for part in _PARTS:
                for name, value in _named_values(row, part):
                    seen[part].setdefault(name, Observed(part)).add(value)
    return rows, seen


def _json_object(source: str, number: int, line: bytes) -> dict[str, Any] | None:
    """The row; None for a bad line, unless it is the first: then the file is something else."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        row = None
    if isinstance(row, dict):
        return row
    if number > 1:
        return None
    raise DataError(
        f"{source}:1 is not a JSON object: {excerpt(line)}\n"
        f"One row a line was expected, such as {_ROW}"
    )


def _named_values(row: dict[str, Any] | None, part: Part) -> list[tuple[str, Any]]:
    values = row.get(part) if row else None
    if not isinstance(values, dict):
        return []
    return [(name, value) for name, value in values.items() if value is not None]


@dataclass
class _Trial:
    """What the proposed features make of the rows."""

    rows: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    labels: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    refused: int = 0
    first_refused: str = ""


def _try(parts: Sequence[Chunk], data: DataConfig, features: FeaturesConfig) -> _Trial:
    trial, bands = _Trial(), bands_of(data)
    for chunk in parts:
        for number, _, split, row in read_chunk(chunk, features, bands):
            if isinstance(row, BadRow):
                where = f"{Path(chunk.source).name}:{number}: {row.reason}"
                trial.first_refused = trial.first_refused or where
                trial.refused += 1
            elif split is not None:
                trial.rows[split] += 1
                trial.labels[str(row.label)] += 1
                trial.lengths.append(row.steps)
    if len(trial.labels) < 2:
        found = ", ".join(map(repr, trial.labels)) or "none"
        why = (
            f" The first row that cannot be used is {trial.first_refused}." if trial.refused else ""
        )
        raise DataError(f"two labels at least were expected in {data.train}, found {found}.{why}")
    return trial


def _rounded(steps: float) -> int:
    """To 10, 15, 20, … 95, 100, 150, …"""
    unit = max(5, 10 ** int(math.log10(max(steps, 1))) // 2)
    return max(unit, round(steps / unit) * unit)
