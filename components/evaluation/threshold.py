"""The threshold of a model of two labels, chosen by its answers to the validation split.

A threshold t answers the positive label where its probability is t or more. Only the order of the
validation answers counts, so that between two neighbouring probabilities all thresholds are equal:
the one in the middle stands for them, or 0.5 where it lies there. Of thresholds that are equally
good the one nearest to 0.5 is chosen.

The directory of the stage holds ``threshold.json``: the Threshold.

Shapes: A answers, C candidates.
"""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from components.artifacts.predictions import VALIDATION, PredictionTable, read_predictions
from components.artifacts.storage import building, write_atomically
from components.artifacts.values import CurvePoint, Model, Threshold
from components.metrics_config import Costs, MetricsConfig, ThresholdConfig, cost_of

DEFAULT = 0.5

Array = NDArray[np.float64]


def choose_threshold(
    model: Model, config: ThresholdConfig, metrics: MetricsConfig, *, directory: Path
) -> Model:
    """The model with its threshold.

    Args:
        model: the trained model, whose directory holds its answers to the validation split.
        config: what the threshold is for.
        metrics: has the costs.
        directory: of ``threshold.json``.

    Raises:
        NotFoundError: the answers are gone.
        StorageError: the disk is full or the directory cannot be written.
    """
    table = read_predictions(Path(model.path) / VALIDATION)
    threshold = best_threshold(table, config, metrics.costs)
    with building(directory) as partial:
        content = TypeAdapter(Threshold).dump_json(threshold, indent=1)
        write_atomically(partial / "threshold.json", content + b"\n")
    # Another model to all that comes: it answers otherwise.
    name = f"{model.digest} {threshold.positive} {threshold.value!r}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return dataclasses.replace(model, threshold=threshold, digest=digest)


def best_threshold(table: PredictionTable, config: ThresholdConfig, costs: Costs) -> Threshold:
    """The threshold of an aim.

    Args:
        table: the answers to the validation split; of two labels.
        config: the positive label, and the aim.
        costs: of the aim ``cost``.
    """
    curve = _curve(table, config.positive)
    values, second, is_allowed = _values(curve, table, config, costs)
    usual = int(np.flatnonzero(curve.thresholds == DEFAULT)[0])
    note = _why_none(curve, config, is_allowed)
    # The last key is the first to count; rounded, as equal values are summed in other orders.
    keys = (-np.abs(curve.thresholds - DEFAULT), second, values.round(12), is_allowed)
    best = usual if note else int(np.lexsort(keys)[-1])
    shown = values if config.aim != "cost" else -values

    def point(index: int) -> CurvePoint:
        found = curve.thresholds, curve.precision, curve.recall, shown
        return CurvePoint(*(float(each[index]) for each in found))

    beside = {best - 1, best + 1, usual} & set(range(len(values))) - {best}
    return Threshold(
        positive=config.positive,
        value=float(curve.thresholds[best]),
        aim=config.aim,
        chosen=point(best),
        neighbours=tuple(map(point, sorted(beside))),
        rows=len(table),
        positives=curve.positives,
        note=note,
    )


class _Curve(NamedTuple):
    """What the answers are at each candidate, the lowest threshold first; 0.5 is among them."""

    thresholds: Array
    """[C]"""
    answered: Array
    """[C]: answers that are the positive label."""
    true_positives: Array
    """[C]: those of them that are right."""
    positives: int
    answers: int

    @property
    def precision(self) -> Array:
        """[C]; 1 where none is answered, as none is wrong."""
        return np.where(self.answered > 0, self.true_positives / self.answered.clip(min=1), 1.0)

    @property
    def recall(self) -> Array:
        """[C]"""
        return self.true_positives / max(1, self.positives)


def _curve(table: PredictionTable, positive: str) -> _Curve:
    index = table.classes.index(positive)
    known = table.predicted_index >= 0
    scores, is_positive = table.probabilities[known, index], (table.label_index == index)[known]
    levels = np.unique(scores)
    # Candidate i answers from level i on; one above them all answers none, unless a model is
    # certain of something.
    highs = levels if len(levels) and levels[-1] >= 1 else np.append(levels, 1.0)
    lows = np.concatenate([[0.0], levels])[: len(highs)]
    middles = (lows + highs) / 2
    has_usual = (lows < DEFAULT) & (highs >= DEFAULT)
    thresholds = np.where(has_usual, DEFAULT, np.where(middles > lows, middles, highs))

    def at_least(of: Array) -> Array:
        counts = len(of) - np.searchsorted(np.sort(of), levels, side="left")
        return np.append(counts, 0.0)[: len(highs)].astype(np.float64)

    return _Curve(
        thresholds, at_least(scores), at_least(scores[is_positive]), int(is_positive.sum()),
        len(scores),
    )  # fmt: skip


def _values(
    curve: _Curve, table: PredictionTable, config: ThresholdConfig, costs: Costs
) -> tuple[Array, Array, NDArray[np.bool_]]:
    """What is to be high, what decides between equals, and where the aim allows it; [C] each."""
    everywhere, nothing = np.ones(len(curve.thresholds), bool), 0 * curve.thresholds
    if config.aim == "recall_at_precision":
        reached = (curve.precision >= (config.precision or 0)) & (curve.answered > 0)
        return curve.recall, curve.precision, reached
    if config.aim == "precision_at_recall":
        return curve.precision, curve.recall, curve.recall >= (config.recall or 0)
    if config.aim == "cost":
        return -_mean_costs(curve, table, config.positive, costs), nothing, everywhere
    # (1 + b^2) TP / (b^2 (TP + FN) + TP + FP)
    weight = config.beta**2
    below = (weight * curve.positives + curve.answered).clip(min=1e-12)
    return (1 + weight) * curve.true_positives / below, nothing, everywhere


def _mean_costs(curve: _Curve, table: PredictionTable, positive: str, costs: Costs) -> Array:
    """[C]: over the answers."""
    other = next(label for label in table.classes if label != positive)
    counts = {
        (positive, positive): curve.true_positives,
        (positive, other): curve.positives - curve.true_positives,
        (other, positive): curve.answered - curve.true_positives,
        (other, other): curve.answers - curve.positives - curve.answered + curve.true_positives,
    }
    total = sum(cost_of(costs, *pair) * count for pair, count in counts.items())
    mean: Array = np.asarray(total) / max(1, curve.answers)
    return mean


def _why_none(curve: _Curve, config: ThresholdConfig, is_allowed: NDArray[np.bool_]) -> str:
    """Why the threshold stays at 0.5, as a clause; empty if one can be chosen."""
    if not curve.positives:
        return f"no validation answer has the label {config.positive!r}"
    if curve.positives == curve.answers:
        return f"all validation answers have the label {config.positive!r}"
    if is_allowed.any():
        return ""
    highest = float(curve.precision[curve.answered > 0].max())
    return (
        f"no threshold reaches the precision {config.precision:g} on the validation split, whose "
        f"highest is {highest:.4g}"
    )
