"""Reads the rows and proposes settings for them, with notes on what a person should check.

Numbers become a numeric feature, strings a vocabulary, whole numbers that use nearly every value
from 0 or 1 on an id. What some rows lack or what no model can take is left out, and a note says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from components.artifacts.values import Split
from components.config import DataConfig, TrainingConfig
from components.data.feature_inference import doubts, infer_feature, why_left_out
from components.data.row_parsing import InvalidRow
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.sources.source import Chunk, Record
from components.data.statistics import Profile
from components.data.trial import alike, lengths_of, notes_of_rows, try_rows
from components.errors import DataError
from components.features.config import AnyFeature, FeaturesConfig
from components.features.observed import Observed, Part
from components.gate_config import Bound, GateConfig

_PARTS: tuple[Part, ...] = ("sequence", "context")
_ROW = '{"id": "a-1", "label": "yes", "context": {"age": 41}, "sequence": {"pulse": [61, 63, 60]}}'

_UNEVEN = 0.95
"""From this share of one label on, accuracy says little about the others."""


@dataclass(frozen=True)
class Proposal:
    """Settings that fit the data, what the data hold, and what a person should check.

    ``rows`` counts the valid rows of each split, ``invalid`` those that do not fit the settings,
    ``labels`` the rows of each label; ``lengths`` are the least, median and greatest number of
    steps; ``rare_labels`` counts labels. ``notes_of`` has the notes on each section of the config,
    each one line.
    """

    data: DataConfig
    features: FeaturesConfig
    training: TrainingConfig
    gate: GateConfig
    rows: dict[Split, int]
    invalid: int
    labels: dict[str, int]
    lengths: tuple[int, int, int]
    rare_labels: int
    notes_of: Mapping[str, tuple[str, ...]]

    @property
    def notes(self) -> tuple[str, ...]:
        """The notes on all sections."""
        return tuple(note for notes in self.notes_of.values() for note in notes)


def propose(data: DataConfig) -> Proposal:
    """Reads all rows: to infer the features, and to count and split the rows as a run does.

    Raises:
        NotFoundError: a file does not exist.
        DataError: a file is empty or holds something else than rows, no sequence can be used, or
          there are fewer than two labels.
    """
    chunks = chunks_of(find_rows(data))
    features, notes = _propose_features(chunks, data)
    trial = try_rows(chunks, data, features)
    profile = trial.profile
    gate, gate_notes = propose_gate(profile)
    lengths = lengths_of(profile) or [0]
    return Proposal(
        data=data,
        features=features,
        training=propose_training(profile.splits["train"].rows),
        gate=gate,
        rows={split: seen.rows for split, seen in profile.splits.items()},
        invalid=profile.invalid_count,
        labels=dict(sorted(trial.labels.items())),
        lengths=(lengths[0], lengths[len(lengths) // 2], lengths[-1]),
        rare_labels=len(trial.rule.rare),
        notes_of={
            "data": _lines(notes_of_rows(trial, data, features)),
            "features": _lines(notes),
            "gate": _lines(gate_notes),
        },
    )


def _lines(notes: Iterable[str]) -> tuple[str, ...]:
    return tuple(" ".join(note.split()) for note in notes)


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


def propose_gate(profile: Profile) -> tuple[GateConfig, list[str]]:
    """Half way from always naming the commonest label to always being right; and a note if need be.

    Of the test split, on which the bound is tried.
    """
    test = profile.splits["test"]
    labels = test.labels or profile.splits["train"].labels
    label, count = max(labels.items(), key=lambda item: item[1], default=("", 1))
    majority = count / max(1, sum(labels.values()))
    # Rounded down to whole percent, but for a majority that is above that.
    digits = next(n for n in range(2, 17) if _half_way(majority, n) > majority or majority == 1.0)
    gate = GateConfig(
        bounds={"accuracy": Bound(min=_half_way(majority, digits))},
        # A fifth fewer test rows may come with the next data.
        min_examples=max(1, test.rows * 4 // 5),
    )
    if majority < _UNEVEN:
        return gate, []
    known = profile.splits["train"].labels
    cure = (
        "give test rows of other labels, or no model can be told from a constant answer"
        if majority == 1.0
        else "a bound on macro_f1 says more here than one on accuracy"
    )
    where = f"{100 * majority:.3g} % of the test rows have the label {label!r}"
    return gate, [f"{where}, of {len(known):,} labels in training: {cure}."] if test.rows else []


def _half_way(majority: float, digits: int) -> float:
    return math.floor((1 + majority) / 2 * 10**digits) / 10**digits


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
        notes += [
            f"{part} has the features {' and '.join(map(repr, names))}, whose names differ in "
            "spaces or capitals alone: make them one in the rows if they mean the same."
            for names in alike(observed[part])
        ]
    if not features["sequence"]:
        found = "\n".join(["", *notes])
        raise DataError(f"{data.train} has no sequence that can be used; a row was expected to "
                        f"look like {_ROW}{found}")  # fmt: skip
    return FeaturesConfig(features["sequence"], features["context"]), notes


def _observe(chunks: Sequence[Chunk]) -> tuple[int, dict[Part, dict[str, Observed]]]:
    """Counts the rows that are objects, and observes the values of each feature."""
    rows = labelled = 0
    first_other: tuple[Chunk, Record] | None = None
    observed: dict[Part, dict[str, Observed]] = {"sequence": {}, "context": {}}
    for chunk in chunks:
        for record in chunk.records():
            if not isinstance(record.values, dict):
                first_other = first_other or (chunk, record)
                continue
            rows += 1
            labelled += record.values.get("label") not in (None, "")
            for part in _PARTS:
                for name, value in _named_values(record.values, part):
                    observed[part].setdefault(name, Observed(part)).add(value)
    for part in _PARTS:
        for seen in observed[part].values():
            # Rows without a label are invalid, whatever else they lack.
            seen.absent = max(0, labelled - seen.rows)
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


def _rounded(steps: float) -> int:
    """To 10, 15, 20, … 95, 100, 150, …"""
    # Half the power of ten below: steps of 5 below 100, of 50 below 1,000.
    unit = max(5, 10 ** int(math.log10(max(steps, 1))) // 2)
    return max(unit, round(steps / unit) * unit)
