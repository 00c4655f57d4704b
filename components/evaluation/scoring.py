"""Predictions -> Metrics: numpy only, deterministic, independent of the order of the examples.

Shapes: N examples, K classes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import ClassMetrics, Interval, Metrics
from components.errors import DataError
from components.evaluation.intervals import Array, Bootstrap, wilson
from components.metrics import METRICS, Metric, Sums

CALIBRATION_BINS = 15
"""As in Guo et al. (see ``ece`` in ``components.metrics``), so that values can be compared."""
LOSS_FLOOR = 1e-12
"""A smaller probability of the true label counts as this: at most 27.6 nats per example."""


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
    """Computes every metric of ``components.metrics.METRICS``, each with its 95 % interval.

    Recall of a class without examples and precision of a class that is never predicted are 0 with
    the interval [0, 1].

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
    names = tuple(dict.fromkeys([*labels, *table.classes, *sorted(set(table.labels))]))
    true, predicted = _label_indices(table, names)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (true[predicted >= 0], predicted[predicted >= 0]), 1)
    return Metrics(
        overall=_overall(table, names),
        per_class=_per_class(names, confusion, np.bincount(true, minlength=len(names))),
        labels=names,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        examples=len(table),
        predictions_path=predictions_path,
        digest=digest,
    )


def calibration(table: PredictionTable, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Equal-width bins of the top probability.

    The calibration error is the mean of |accuracy - confidence| over the bins, weighted by their
    counts. Examples without a prediction are left out.
    """
    confidence, bin_index = _confidence(table, bins)
    predicted = table.predicted_index >= 0
    edges = np.linspace(0, 1, bins + 1).tolist()
    result = []
    for i in range(bins):
        inside = predicted & (bin_index == i)
        count = int(inside.sum())
        mean_confidence = float(confidence[inside].mean()) if count else 0.0
        accuracy = float(table.correct[inside].mean()) if count else 0.0
        result.append(Bin(edges[i], edges[i + 1], count, mean_confidence, accuracy))
    return tuple(result)


def differences(before: PredictionTable, after: PredictionTable) -> dict[str, Interval]:
    """How much each metric changed, with the 95 % interval of the change.

    Each resample takes the same examples of both, so that what is hard for both cancels out.

    Raises:
        DataError: the two are not of the same examples.
    """
    before, after = (table.take(np.argsort(np.array(table.ids))) for table in (before, after))
    if (before.ids, before.labels) != (after.ids, after.labels):
        raise DataError("expected predictions on the same examples, with the same labels.")
    names = tuple(dict.fromkeys([*before.classes, *after.classes, *sorted(set(after.labels))]))
    first, second = _Contributions(before, names), _Contributions(after, names)
    width = first.values.shape[1]
    bootstrap = Bootstrap(np.concatenate([first.values, second.values], axis=1))

    def change(metric: Metric) -> Interval:
        return bootstrap.interval(
            lambda sums: (
                metric.value(second.named(sums[:, width:]))
                - metric.value(first.named(sums[:, :width]))
            )
        )

    return {key: change(metric) for key, metric in METRICS.items()}


class _Contributions:
    """What each example adds to each sum: ``values`` is [N, S].

    Summed over all examples, or over a resample of them, it gives back the parts of ``Sums``.
    """

    def __init__(self, table: PredictionTable, names: Sequence[str]) -> None:
        true, guessed = _label_indices(table, names)
        support, predicted = _one_hot(true, len(names)), _one_hot(guessed, len(names))
        confidence, bin_index = _confidence(table, CALIBRATION_BINS)
        is_in_bin = bin_index[:, None] == np.arange(CALIBRATION_BINS)
        gaps = np.where(is_in_bin, (table.correct - confidence)[:, None], 0)
        parts = (_loss(table)[:, None], gaps, support * predicted, support, predicted)
        self._ends = np.cumsum([part.shape[1] for part in parts])[:-1]
        self.values: Array = np.concatenate(parts, axis=1)

    def named(self, sums: Array) -> Sums:
        """[R, S] by their names."""
        loss, *others = np.split(sums, self._ends, axis=1)
        return Sums(len(self.values), loss[:, 0], *others)


def _overall(table: PredictionTable, names: Sequence[str]) -> dict[str, Interval]:
    """The metrics by their keys."""
    contributions = _Contributions(table, names)
    totals = contributions.named(contributions.values.sum(axis=0, keepdims=True))
    bootstrap = Bootstrap(contributions.values)

    def measured(metric: Metric) -> Interval:
        if metric.interval == "wilson":
            # Back from the fraction to the count, which it was made of.
            successes = round(float(metric.value(totals)[0]) * len(table))
            return wilson(successes, len(table))
        return bootstrap.interval(
            lambda sums: metric.value(contributions.named(sums)),
            kind=metric.interval,
            limits=metric.limits,
        )

    return {key: measured(metric) for key, metric in METRICS.items()}


def _loss(table: PredictionTable) -> Array:
    """[N]: cross entropy in nats; NaN where the probabilities are not finite."""
    rows = np.arange(len(table))
    probability = np.where(table.label_index >= 0, table.probabilities[rows, table.label_index], 0)
    loss = -np.log(np.clip(probability, LOSS_FLOOR, 1))
    return np.where(table.predicted_index >= 0, loss, np.nan)


def _confidence(table: PredictionTable, bins: int) -> tuple[Array, NDArray[np.int64]]:
    """The top probability [N] and its bin [N]; NaN is in bin 0, so that it spoils the sum."""
    # Bins are (low, high], as in Guo et al.: a probability of exactly 1 falls into the last one.
    top = np.where(table.predicted_index >= 0, table.probabilities.max(axis=1), np.nan)
    bin_index = np.ceil(np.nan_to_num(top) * bins).astype(np.int64) - 1
    return top, np.clip(bin_index, 0, bins - 1)


def _per_class(
    names: Sequence[str], confusion: NDArray[np.int64], support: NDArray[np.int64]
) -> tuple[ClassMetrics, ...]:
    true_positives, predicted = np.diagonal(confusion), confusion.sum(axis=0)
    return tuple(
        ClassMetrics(
            label=name,
            precision=wilson(int(true_positives[i]), int(predicted[i])),
            recall=wilson(int(true_positives[i]), int(support[i])),
            support=int(support[i]),
        )
        for i, name in enumerate(names)
    )


def _label_indices(
    table: PredictionTable, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and predicted labels as indices into ``names``, [N] each; -1 for no prediction."""
    index = {name: i for i, name in enumerate(names)}
    true = np.array([index[label] for label in table.labels], dtype=np.int64)
    of_class = np.array([index[name] for name in table.classes], dtype=np.int64)
    predicted = np.where(table.predicted_index >= 0, of_class[table.predicted_index], -1)
    return true, predicted


def _one_hot(indices: NDArray[np.int64], classes: int) -> Array:
    """[N, K] float64; a row of zeros for -1."""
    found: NDArray[np.bool_] = indices[:, None] == np.arange(classes)
    return found.astype(np.float64)
