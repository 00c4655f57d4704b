"""Reads the rows and proposes settings for them, with notes on what a person should check.

Numbers become a numeric feature, strings a vocabulary, whole numbers that use nearly every value
from 0 or 1 on an id. What some rows lack or what no model can take is left out, and a note says so.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.artifacts.values import SPLITS, Split
from components.config import DataConfig, TrainingConfig
from components.data.feature_inference import doubts, infer_feature, why_left_out
from components.data.row_parsing import InvalidRow, RowFormat
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.sources.source import Chunk, Record
from components.data.splits import read_split_rows, split_fractions
from components.errors import DataError
from components.features.config import AnyFeature, FeaturesConfig
from components.features.observed import Observed, Part
from components.gate_config import Bound, GateConfig

_PARTS: tuple[Part, ...] = ("sequence", "context")
_ROW = '{"id": "a-1", "label": "yes", "context": {"age": 41}, "sequence": {"pulse": [61, 63, 60]}}'


@dataclass(frozen=True)
class Proposal:
    """Settings that fit the data, what the data hold, and what a person should check.

    ``rows`` counts the valid rows of each split, ``invalid`` those that do not fit the settings,
    ``labels`` the rows of each label; ``lengths`` are the least, median and greatest number of
    steps; a note is one line.
    """

    data: DataConfig
    features: FeaturesConfig
    training: TrainingConfig
    gate: GateConfig
    rows: dict[Split, int]
    invalid: int
    labels: dict[str, int]
    lengths: tuple[int, int, int]
    notes: tuple[str, ...]


def propose(data: DataConfig) -> Proposal:
    """Reads all rows twice: to infer the features, and to parse the rows with them.

    Raises:
        NotFoundError: a file does not exist.
        DataError: a file is empty or holds something else than rows, no sequence can be used, or
          there are fewer than two labels.
    """
    chunks = chunks_of(find_rows(data))
    features, notes = _propose_features(chunks, data)
    trial = _try(chunks, data, features)
    if trial.invalid:
        notes.append(f"{trial.invalid:,} rows are invalid; the first is {trial.first_invalid}.")
    notes += _notes_of_keys(trial)
    lengths = sorted(trial.lengths)
    return Proposal(
        data=data,
        features=features,
        training=propose_training(trial.rows["train"]),
        gate=propose_gate(trial.labels, trial.rows["test"]),
        rows=trial.rows,
        invalid=trial.invalid,
        labels=dict(sorted(trial.labels.items())),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        notes=tuple(" ".join(note.split()) for note in notes),
    )


def propose_training(rows: int) -> TrainingConfig:
    """More passes over few rows, larger batches of many; 20 evaluations, and patience for 6."""
    # Rules of thumb, written to the config for a person to change: 20 evaluations show where
    # overfitting begins, and patience for 6 of them sits out the noise of a small validation split.
    batch_size = 32 if rows < 10_000 else 64 if rows < 100_000 else 128
    epochs = 80 if rows < 1_000 else 30 if rows < 10_000 else 10
    # epochs * rows / batch_size steps in all; fewer than 10 between evaluations show noise alone.
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
    # Rounded down to whole percent; a fifth fewer test rows may come with the next data.
    return GateConfig(
        bounds={"accuracy": Bound(min=math.floor(50 * (1 + majority)) / 100)},
        min_examples=max(1, test_rows * 4 // 5),
    )


def _propose_features(
    chunks: Sequence[Chunk], data: DataConfig
) -> tuple[FeaturesConfig, list[str]]:
    rows, observed = _observe(chunks)
    notes: list[str] = []
    features: dict[Part, dict[str, AnyFeature]] = {"sequence": {}, "context": {}}
    for part in _PARTS:
        for name, values in sorted(observed[part].items()):
            feature = infer_feature(values)
            why_not = why_left_out(name, values, rows, data.bad_rows_allowed_fraction)
            if why_not is None and part == "context" and name in features["sequence"]:
                why_not = "a sequence has this name; rename one of them."
            if feature is None or why_not is not None:
                notes.append(f"{part}.{name} is left out: {why_not}")
                continue
            features[part][name] = feature
            notes += [f"{part}.{name} {doubt}" for doubt in doubts(feature, values)]
    if not features["sequence"]:
        found = "\n".join(["", *notes])
        raise DataError(f"{data.train} has no sequence that can be used; a row was expected to "
                        f"look like {_ROW}{found}")  # fmt: skip
    return FeaturesConfig(features["sequence"], features["context"]), notes


def _observe(chunks: Sequence[Chunk]) -> tuple[int, dict[Part, dict[str, Observed]]]:
    """Counts the rows that are objects, and observes the values of each feature."""
    rows = 0
    first_other: tuple[Chunk, Record] | None = None
    observed: dict[Part, dict[str, Observed]] = {"sequence": {}, "context": {}}
    for chunk in chunks:
        for record in chunk.records():
            if not isinstance(record.values, dict):
                first_other = first_other or (chunk, record)
                continue
            rows += 1
            for part in _PARTS:
                for name, value in _named_values(record.values, part):
                    observed[part].setdefault(name, Observed(part)).add(value)
    if not rows and first_other is not None:
        chunk, record = first_other
        source = chunk.source
        why = f" ({record.values.reason})" if isinstance(record.values, InvalidRow) else ""
        raise DataError(
            f"{source.location(record.number)} is not a row{why}: {record.excerpt}\n"
            f"Expected {source.layout}, such as {_ROW}"
        )
    return rows, observed


def _named_values(row: dict[str, Any], part: Part) -> list[tuple[str, Any]]:
    values = row.get(part)
    if not isinstance(values, dict):
        return []
    return [(name, value) for name, value in values.items() if value is not None]


@dataclass
class _Trial:
    """The rows as parsed with the proposed features."""

    rows: dict[Split, int] = field(default_factory=lambda: dict.fromkeys(SPLITS, 0))
    labels: Counter[str] = field(default_factory=Counter)
    lengths: list[int] = field(default_factory=list)
    ids: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    first_invalid: str = ""


def _try(chunks: Sequence[Chunk], data: DataConfig, features: FeaturesConfig) -> _Trial:
    trial, fractions = _Trial(), split_fractions(data)
    form = RowFormat.of(features, data.max_row_steps)
    for chunk in chunks:
        for record, split, row in read_split_rows(chunk, form, fractions):
            if isinstance(row, InvalidRow):
                where = f"{chunk.source.location(record.number)}: {row.reason}"
                trial.first_invalid = trial.first_invalid or where
                trial.invalid += 1
            elif split is not None:
                trial.rows[split] += 1
                trial.labels[str(row.label)] += 1
                trial.lengths.append(row.steps)
                trial.ids[row.id] += 1
    if len(trial.labels) < 2:
        found = ", ".join(map(repr, trial.labels)) or "none"
        why = f" The first invalid row is {trial.first_invalid}." if trial.invalid else ""
        raise DataError(f"expected two labels or more in {data.train}, found {found}.{why}")
    return trial


def _notes_of_keys(trial: _Trial) -> list[str]:
    """Ids that a run would refuse, and labels that are perhaps one."""
    notes = []
    repeated = [(row_id, count) for row_id, count in trial.ids.items() if count > 1]
    if repeated:
        row_id, count = max(repeated, key=lambda item: item[1])
        notes.append(
            f"{len(repeated):,} ids occur more than once, {row_id!r} in {count:,} rows: a run "
            "refuses that. Remove the repeated rows or give them ids of their own."
        )
    alike: dict[str, list[str]] = {}
    for label in sorted(trial.labels):
        alike.setdefault(" ".join(label.casefold().split()), []).append(label)
    notes += [
        f"the labels {' and '.join(map(repr, labels))} differ in spaces or capitals alone: make "
        "them one if they mean the same."
        for labels in alike.values()
        if len(labels) > 1
    ]
    return notes


def _rounded(steps: float) -> int:
    """To 10, 15, 20, … 95, 100, 150, …"""
    # Half the power of ten below: steps of 5 below 100, of 50 below 1,000.
    unit = max(5, 10 ** int(math.log10(max(steps, 1))) // 2)
    return max(unit, round(steps / unit) * unit)
