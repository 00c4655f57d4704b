"""Predictions -> Metrics: numpy only, deterministic, independent of the order of the examples.

Shapes: N examples, K classes, B bins of the calibration error, S sums over examples, R resamples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import ClassMetrics, Metrics
from components.evaluation.intervals import Array, Bootstrap, wilson

CALIBRATION_BINS = 15
LOSS_FLOOR = 1e-12
"""A smaller probability of the true label counts as this: 27.6 nats at most an example."""


@dataclasses.dataclass(frozen=True)
class Bin:
    """One bar of the reliability diagram: the examples whose top probability is in (low, high]."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean top probability; 0 in an empty bin."""
    accuracy: float
    """Share of correct predictions; 0 in an empty bin."""


def score(
    table: PredictionTable, labels: Sequence[str], *, predictions_path: str, digest: str
) -> Metrics:
    """Everything that is measured, each with its 95 % interval.

    - accuracy, precision, recall: proportions, Wilson's interval. Recall of a class without
      examples and precision of a class that is never predicted are 0 with the interval [0, 1].
    - average_loss: mean cross entropy in nats, with the probability of the true label at least
      ``LOSS_FLOOR``; bootstrap.
    - macro_f1: mean of 2 TP / (2 TP + FP + FN) over the classes; a class that is neither there nor
      predicted has no F1 and is left out, since it says nothing about the model; bootstrap. If no
      example is wrong, no resample is: the interval is then [1, 1], and accuracy's says more.
    - ece: see ``calibration``; bootstrap.

    A true label that the model does not know is wrong, at the greatest loss. An example whose
    probabilities are not finite has no prediction: it is wrong, missing in the confusion matrix,
    and makes average_loss and ece NaN.

    Args:
      table: the predictions.
      labels: the label vocabulary; what else the table holds is appended to it.
      predictions_path: passed through.
      digest: passed through.
    """
    table = table.take(np.argsort(np.array(table.ids)))
    names = _all_labels(table, labels)
    true, predicted = _places(table, names)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (true[predicted >= 0], predicted[predicted >= 0]), 1)
    sums, columns = _contributions(table, true, predicted, len(names))
    bootstrap = Bootstrap(sums)
    return Metrics(
        accuracy=wilson(int(table.correct.sum()), len(table)),
        average_loss=bootstrap.interval(lambda s: s[:, columns.loss] / len(table)),
        macro_f1=bootstrap.interval(lambda s: _macro_f1(s, columns), limits=(0.0, 1.0)),
        ece=bootstrap.interval(
            lambda s: np.abs(s[:, columns.gaps]).sum(axis=1) / len(table),
            kind="reversed",
            limits=(0.0, 1.0),
        ),
        per_class=_per_class(names, confusion, np.bincount(true, minlength=len(names))),
        labels=names,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        examples=len(table),
        predictions_path=predictions_path,
        digest=digest,
    )


def calibration(table: PredictionTable, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Equal-width bins of the top probability.

    The expected calibration error (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern
    Neural Networks, ICML 2017) is the mean of |accuracy - confidence| over the bins, weighted
    by their counts. Examples without a prediction are left out.
    """
    top, place = _top(table, bins)
    known = table.predicted_index >= 0
    edges = np.linspace(0, 1, bins + 1).tolist()
    result = []
    for i in range(bins):
        inside = known & (place == i)
        count = int(inside.sum())
        confidence = float(top[inside].mean()) if count else 0.0
        accuracy = float(table.correct[inside].mean()) if count else 0.0
        result.append(Bin(edges[i], edges[i + 1], count, confidence, accuracy))
    return tuple(result)


@dataclasses.dataclass(frozen=True)
class _Columns:
    """Where each kind of sum is in [S]."""

    loss: int
    gaps: slice
    hits: slice
    there: slice
    predicted: slice


def _contributions(
    table: PredictionTable, true: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> tuple[Array, _Columns]:
    """What each example adds to the sums that the metrics are made of: [N, S]."""
    top, place = _top(table, CALIBRATION_BINS)
    gap = table.correct - top
    gaps = np.where(place[:, None] == np.arange(CALIBRATION_BINS), gap[:, None], 0)
    there = _one_hot(true, classes)
    answered = _one_hot(predicted, classes)
    first = 1 + CALIBRATION_BINS
    columns = _Columns(
        loss=0,
        gaps=slice(1, first),
        hits=slice(first, first + classes),
        there=slice(first + classes, first + 2 * classes),
        predicted=slice(first + 2 * classes, first + 3 * classes),
    )
    sums = np.concatenate([_loss(table)[:, None], gaps, there * answered, there, answered], axis=1)
    return sums, columns


def _macro_f1(sums: Array, columns: _Columns) -> Array:
    """From [R, S] to [R]."""
    weight = sums[:, columns.there] + sums[:, columns.predicted]
    seen = weight > 0
    f1 = np.divide(2 * sums[:, columns.hits], weight, out=np.zeros_like(weight), where=seen)
    return np.asarray(f1.sum(axis=1) / seen.sum(axis=1))


def _loss(table: PredictionTable) -> Array:
    """[N]: cross entropy in nats; NaN where the probabilities are not finite."""
    rows = np.arange(len(table))
    probability = np.where(table.label_index >= 0, table.probabilities[rows, table.label_index], 0)
    loss = -np.log(np.clip(probability, LOSS_FLOOR, 1))
    return np.where(table.predicted_index >= 0, loss, np.nan)


def _top(table: PredictionTable, bins: int) -> tuple[Array, NDArray[np.int64]]:
    """The top probability [N] and its bin [N]; NaN is in bin 0, so that it spoils the sum."""
    top = np.where(table.predicted_index >= 0, table.probabilities.max(axis=1), np.nan)
    place = np.ceil(np.nan_to_num(top) * bins).astype(np.int64) - 1
    return top, np.clip(place, 0, bins - 1)


def _per_class(
    names: Sequence[str], confusion: NDArray[np.int64], support: NDArray[np.int64]
) -> tuple[ClassMetrics, ...]:
    hits, answered = np.diagonal(confusion), confusion.sum(axis=0)
    return tuple(
        ClassMetrics(
            label=name,
            precision=wilson(int(hits[i]), int(answered[i])),
            recall=wilson(int(hits[i]), int(support[i])),
            support=int(support[i]),
        )
        for i, name in enumerate(names)
    )


def _all_labels(table: PredictionTable, labels: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([*labels, *table.classes, *sorted(set(table.labels))]))


def _places(
    table: PredictionTable, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and predicted labels as places in ``names``, [N] each; -1 for no prediction."""
    place = {name: i for i, name in enumerate(names)}
    true = np.array([place[label] for label in table.labels], dtype=np.int64)
    of_class = np.array([place[name] for name in table.classes], dtype=np.int64)
    predicted = np.where(table.predicted_index >= 0, of_class[table.predicted_index], -1)
    return true, predicted


def _one_hot(places: NDArray[np.int64], classes: int) -> Array:
    """[N, K] float64; a row of zeros for -1."""
    hits: NDArray[np.bool_] = places[:, None] == np.arange(classes)
    return hits.astype(np.float64)
