"""The tables of the report: plain rows from metrics, predictions and statistics."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import (
    SPLITS,
    ClassMetrics,
    CurvePoint,
    Interval,
    Metrics,
    Threshold,
)
from components.metrics import METRICS

# As much as a reader takes in; the files of the metrics hold all.
CLASSES_SHOWN = 30
_CONFUSIONS_SHOWN = 8
_ERRORS_SHOWN = 10


@dataclasses.dataclass(frozen=True)
class Confusion:
    """How many examples (or steps) of one class were predicted as another."""

    label: str
    predicted: str
    count: int
    support: int


@dataclasses.dataclass(frozen=True)
class ConfidentError:
    """A wrong prediction: its probability, and the probability of the true class."""

    id: str
    label: str
    predicted: str
    confidence: float
    probability: float
    step: int | None = None
    """The step of the row, where each has a label; the first is 0."""


@dataclasses.dataclass(frozen=True)
class SideBySide:
    """One metric of the candidate and of another model; ``better`` is None if they are equal."""

    name: str
    candidate: Interval
    other: Interval
    delta: float
    better: bool | None


@dataclasses.dataclass(frozen=True)
class SplitRow:
    """One split: its rows, and the least, median and greatest number of steps."""

    name: str
    rows: int
    lengths: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class LabelRow:
    """The rows of one label: count and share in each split."""

    label: str
    counts: tuple[int, ...]
    shares: tuple[float, ...]


def largest_confusions(metrics: Metrics) -> list[Confusion]:
    """The pairs of classes that are confused most often."""
    pairs = [
        Confusion(metrics.labels[i], metrics.labels[j], count, metrics.per_class[i].support)
        for i, row in enumerate(metrics.confusion)
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(pairs, key=lambda pair: -pair.count)[:_CONFUSIONS_SHOWN]


def most_confident_errors(table: PredictionTable) -> list[ConfidentError]:
    """The wrong answers with the highest probability: hard rows, or wrong labels."""
    # Of NaN, for which there is no prediction, nothing is known: it is no confident error.
    top = np.nan_to_num(table.confidence, nan=-1.0)
    wrong = np.flatnonzero(~table.correct & (table.predicted_index >= 0))
    # By id where probabilities are equal: the same inputs give the same page.
    rows = table.row_of_answer.tolist()
    first = table.row_lengths.cumsum() - table.row_lengths
    order = sorted(wrong.tolist(), key=lambda answer: (-top[answer], table.ids[rows[answer]]))
    errors = []
    for answer in order[:_ERRORS_SHOWN]:
        known = table.label_index[answer]
        probability = float(table.probabilities[answer, known]) if known >= 0 else 0.0
        errors.append(
            ConfidentError(
                id=table.ids[rows[answer]],
                label=table.labels[answer],
                predicted=table.predicted[answer],
                confidence=float(top[answer]),
                probability=probability,
                step=int(answer - first[rows[answer]]) if table.task.in_clusters else None,
            )
        )
    return errors


def side_by_side(candidate: Metrics, other: Metrics) -> list[SideBySide]:
    """The metrics of both."""
    rows = []
    for key, ours in candidate.overall.items():
        metric, theirs = METRICS[key], other.overall.get(key)
        if theirs is None:
            # It needs what the other model lacks, such as two labels where that knows a third one.
            continue
        delta = ours.value - theirs.value
        better = None if delta == 0 else (delta > 0) == metric.higher_is_better
        rows.append(SideBySide(metric.label, ours, theirs, delta, better))
    return rows


def beside_threshold(threshold: Threshold | None) -> list[tuple[str, CurvePoint]]:
    """The neighbours of a threshold on its curve, by name."""
    if threshold is None:
        return []
    return [
        (
            "the usual one"
            if point.threshold == 0.5
            else "the next lower"
            if point.threshold < threshold.value
            else "the next higher",
            point,
        )
        for point in threshold.neighbours
    ]


def shown_classes(metrics: Metrics) -> Sequence[ClassMetrics]:
    """All classes, or, of very many, those with the lowest recall."""
    if len(metrics.per_class) <= CLASSES_SHOWN:
        return metrics.per_class
    return sorted(metrics.per_class, key=lambda each: each.recall.value)[:CLASSES_SHOWN]


def split_rows(statistics: Mapping[str, Any]) -> list[SplitRow]:
    """The splits that ``statistics.json`` has."""
    lengths = statistics.get("lengths", {})
    rows = statistics.get("rows", {})
    return [SplitRow(split, rows[split], lengths.get(split, {})) for split in _splits(statistics)]


def label_rows(statistics: Mapping[str, Any], labels: Sequence[str]) -> list[LabelRow]:
    """The balance of the labels in each split."""
    counts = [statistics.get("labels", {}).get(split, {}) for split in _splits(statistics)]
    totals = [max(1, sum(each.values())) for each in counts]
    result = []
    for label in labels[:CLASSES_SHOWN]:
        seen = tuple(int(each.get(label, 0)) for each in counts)
        shares = tuple(count / total for count, total in zip(seen, totals, strict=True))
        result.append(LabelRow(label, seen, shares))
    return result


def _splits(statistics: Mapping[str, Any]) -> list[str]:
    return [split for split in SPLITS if split in statistics.get("rows", {})]
