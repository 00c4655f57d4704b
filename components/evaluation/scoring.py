"""Predictions -> Metrics: numpy only, deterministic, independent of the order of the examples.

Shapes: N examples, A answers (the examples, or their steps where each has a label), K classes,
C ranked classes, Q ranks of a score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

from components.artifacts.predictions import PredictionTable, StepPredictions
from components.artifacts.values import ClassMetrics, Interval, Metrics
from components.errors import DataError
from components.evaluation.intervals import Array, Bootstrap, wilson
from components.metrics import Metric, Sums, metrics_of
from components.metrics_config import Costs, MetricsConfig, cost_of

CALIBRATION_BINS = 15
"""As in Guo et al. (see ``ece`` in ``components.metrics``), so that values can be compared."""
LOSS_FLOOR = 1e-12
"""A smaller probability of the true label counts as this: at most 27.6 nats per example."""

_RANKS = 512
"""Probabilities are ranked so finely; of more different ones neighbours share a rank."""
_MOST_CELLS = 2**23
"""Of float64, 64 MiB: the ranks of many steps, or of many labels, are coarser."""
_RANKS_OF_ALL = 2048
"""Of all labels together, as each resample has its own."""
_LEAST_RANKS = 16
"""Fewer say nothing of an order: labels that would have fewer each are not ranked."""
_DEFAULTS = MetricsConfig()


@dataclasses.dataclass(frozen=True)
class Bin:
    """One bar of the reliability diagram: the examples whose answer has a probability in
    (low, high]."""

    low: float
    high: float
    count: int
    confidence: float
    """Mean probability of the answers; 0 in an empty bin."""
    accuracy: float
    """Share of correct predictions; 0 in an empty bin."""


def score(
    table: PredictionTable,
    labels: Sequence[str],
    *,
    predictions_path: str,
    digest: str,
    settings: MetricsConfig = _DEFAULTS,
) -> Metrics:
    """Computes every metric of the labels' task, each with its 95 % interval.

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
        settings: what the config says of the metrics.
    """
    table = table.take(np.argsort(np.array(table.ids)))
    names = tuple(dict.fromkeys([*labels, *table.classes, *sorted(set(table.labels))]))
    true, predicted = _label_indices(table, names)
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (true[predicted >= 0], predicted[predicted >= 0]), 1)
    contributions = _Contributions(table, names, settings)
    bootstrap = Bootstrap(contributions.values)
    return Metrics(
        overall=_overall(table, contributions, bootstrap),
        per_class=(
            _per_class_in_clusters(names, contributions, bootstrap)
            if table.task.in_clusters
            else _per_class(names, confusion, np.bincount(true, minlength=len(names)))
        ),
        labels=names,
        confusion=tuple(tuple(row) for row in confusion.tolist()),
        examples=len(table),
        predictions_path=predictions_path,
        digest=digest,
        task=table.task.name,
        settings=settings,
    )


def overall(table: PredictionTable, settings: MetricsConfig = _DEFAULTS) -> dict[str, Interval]:
    """The metrics of all classes together, as ``score`` gives them, by their keys."""
    table = table.take(np.argsort(np.array(table.ids)))
    names = tuple(dict.fromkeys([*table.classes, *sorted(set(table.labels))]))
    contributions = _Contributions(table, names, settings)
    return _overall(table, contributions, Bootstrap(contributions.values))


def calibration(table: PredictionTable, bins: int = CALIBRATION_BINS) -> tuple[Bin, ...]:
    """Equal-width bins of the probability of the answer.

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


def without_temperature(table: PredictionTable, temperature: float) -> PredictionTable:
    """The predictions as they were before ``temperature``: p_k^T / sum_j p_j^T.

    What that made of p before is p^(1/T) / sum p^(1/T), so that the power T leads back, but for
    probabilities that had become 0.
    """
    powers = special.softmax(
        temperature * np.log(np.maximum(table.probabilities, np.finfo(np.float64).tiny)), axis=1
    )
    return dataclasses.replace(table, probabilities=powers)


def differences(
    before: PredictionTable, after: PredictionTable, settings: MetricsConfig = _DEFAULTS
) -> dict[str, Interval]:
    """How much each metric changed, with the 95 % interval of the change.

    Each resample takes the same examples of both, so that what is hard for both cancels out.

    Args:
        before: the predictions of one model.
        after: those of another one, on the same examples.
        settings: what both configs say of the metrics.

    Raises:
        DataError: the two are not of the same examples.
    """
    before, after = (table.take(np.argsort(np.array(table.ids))) for table in (before, after))
    before_rows = before.task, before.ids, before.labels
    if before_rows != (after.task, after.ids, after.labels):
        raise DataError("expected predictions on the same examples, with the same labels.")
    names = tuple(dict.fromkeys([*before.classes, *after.classes, *sorted(set(after.labels))]))
    first, second = (_Contributions(table, names, settings) for table in (before, after))
    width = first.values.shape[1]
    bootstrap = Bootstrap(np.concatenate([first.values, second.values], axis=1))

    def change(metric: Metric) -> Interval:
        return bootstrap.interval(
            lambda sums: (
                metric.value(second.named(sums[:, width:]))
                - metric.value(first.named(sums[:, :width]))
            )
        )

    known = first.measured(second.measured(metrics_of(before.task.name)))
    return {key: change(metric) for key, metric in known.items()}


class _Contributions:
    """What each example adds to each sum, all its answers together: ``values`` is [N, S].

    Summed over all examples, or over a resample of them, it gives back the parts of ``Sums``.
    """

    def __init__(
        self, table: PredictionTable, names: Sequence[str], settings: MetricsConfig
    ) -> None:
        true, guessed = _label_indices(table, names)
        support, predicted = _one_hot(true, len(names)), _one_hot(guessed, len(names))
        confidence, bin_index = _confidence(table, CALIBRATION_BINS)
        is_in_bin = bin_index[:, None] == np.arange(CALIBRATION_BINS)
        gaps = np.where(is_in_bin, (table.correct - confidence)[:, None], 0)
        ones = np.ones(len(gaps))
        counts = np.stack([ones, table.correct, _loss(table), _squared_distance(table)], axis=1)
        costs = answer_costs(table, settings.costs)[:, None]
        places = _label_places(table)[:, None] == np.arange(settings.most_probable(len(names)))
        ranked, positives = _ranked(table, support)
        self._ranks = ranked.shape[1:]
        parts = (
            counts, gaps, support * predicted, support, predicted,
            costs[:, : bool(settings.costs)], places.astype(np.float64),
            ranked.reshape(len(gaps), -1), positives.reshape(len(gaps), -1),
        )  # fmt: skip
        answers, right, *of_answers = np.split(
            np.concatenate([table.row_sums(part) for part in parts], axis=1), [1, 2], axis=1
        )
        of_rows = (np.ones(len(table)), right == answers, edit_scores(table))
        self._ends = np.cumsum([1] * 6 + [part.shape[1] for part in parts[1:]])[:-1]
        self.values: Array = np.column_stack((*of_rows, answers, *of_answers))

    def named(self, sums: Array) -> Sums:
        """[R, S] by their names."""
        parts = np.split(sums, self._ends, axis=1)
        ranks = (part.reshape(len(sums), *self._ranks) for part in parts[-2:])
        return Sums(*(part[:, 0] for part in parts[:6]), *parts[6:-2], *ranks)

    def measured(self, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
        """Those that these answers have, by key."""
        sums = self.named(self.values[:1])
        return {
            key: metric
            for key, metric in metrics.items()
            if metric.needs is None or metric.needs.is_met(sums)
        }


def _overall(
    table: PredictionTable, contributions: _Contributions, bootstrap: Bootstrap
) -> dict[str, Interval]:
    """The metrics by their keys."""
    totals = contributions.named(contributions.values.sum(axis=0, keepdims=True))

    def measured(metric: Metric) -> Interval:
        is_independent = metric.is_of_rows or not table.task.in_clusters
        if metric.interval == "wilson" and is_independent:
            # Back from the fraction to the count, which it was made of.
            successes = round(float(metric.value(totals)[0]) * len(table))
            return wilson(successes, len(table))
        return bootstrap.interval(
            lambda sums: metric.value(contributions.named(sums)),
            kind="basic" if metric.interval == "basic" else "percentile",
            limits=metric.limits,
        )

    known = contributions.measured(metrics_of(table.task.name))
    return {key: measured(metric) for key, metric in known.items()}


def edit_scores(table: PredictionTable) -> Array:
    """[N]: the segment edit score of each row (see the metric); 0 or 1 of a row with one answer."""
    if not isinstance(table, StepPredictions):
        return table.correct.astype(np.float64)
    return np.array([edit_score(true, found) for true, found in table.segments()])


def edit_score(first: Sequence[int], second: Sequence[int]) -> float:
    """1 - Levenshtein distance / length of the longer one, of two sequences that are not empty."""
    ours, theirs = np.asarray(first), np.asarray(second)
    places = np.arange(len(theirs) + 1)
    distances = places
    for count, label in enumerate(ours.tolist(), 1):
        # Deletions and substitutions at once; then insertions, each of which depends on the one
        # before: the least of d[i] + (j - i) over all i <= j is a running minimum of d - place.
        changed = np.minimum(distances[1:] + 1, distances[:-1] + (theirs != label))
        distances = np.concatenate([[count], changed])
        distances = np.minimum.accumulate(distances - places) + places
    return 1 - int(distances[-1]) / max(len(ours), len(theirs))


def _loss(table: PredictionTable) -> Array:
    """[A]: cross entropy in nats; NaN where the probabilities are not finite."""
    rows = np.arange(len(table.labels))
    probability = np.where(table.label_index >= 0, table.probabilities[rows, table.label_index], 0)
    loss = -np.log(np.clip(probability, LOSS_FLOOR, 1))
    return np.where(table.predicted_index >= 0, loss, np.nan)


def _squared_distance(table: PredictionTable) -> Array:
    """[A]: sum_k (p_k - y_k)^2 with y = 1 for the label; one that the model lacks is no class."""
    return ((table.probabilities - _one_hot(table.label_index, len(table.classes))) ** 2).sum(
        axis=1
    ) + (table.label_index < 0)


def answer_costs(table: PredictionTable, costs: Costs) -> Array:
    """[A]: what each answer costs; where there is none, the most that one can cost there."""
    names = tuple(dict.fromkeys([*table.classes, *table.labels]))
    true, predicted = _label_indices(table, names)
    matrix = np.array([[cost_of(costs, one, other) for other in names] for one in names])
    most = matrix.max(axis=1)
    return np.where(predicted >= 0, matrix[true, predicted], most[true])


def largest_cost(costs: Costs, labels: Collection[str]) -> float:
    """The most that an answer can cost among these labels."""
    return max(cost_of(costs, true, answered) for true in labels for answered in labels)


def _label_places(table: PredictionTable) -> NDArray[np.int64]:
    """[A]: how many labels are more probable than the true one; -1 where that is not known.

    Of equal ones those that stand before it are, as in the choice of the most probable.
    """
    index = table.label_index[:, None]
    known = (table.label_index >= 0) & (table.predicted_index >= 0)
    own = np.take_along_axis(table.probabilities, index, axis=1)
    before = np.arange(len(table.classes)) < index
    above = (table.probabilities > own) | ((table.probabilities == own) & before)
    return np.where(known, above.sum(axis=1), -1)


def _ranked(table: PredictionTable, support: Array) -> tuple[Array, Array]:
    """Ones [A, C, Q] at the rank of the probability of each ranked class, and those of its label.

    Of two labels the rarer one is ranked (of equally rare ones the second), of more each that the
    model knows. C is 0 where there are no answers to two labels, or too many for ranks that say
    something. An answer that is not a number ranks lowest.
    """
    answers, counts = len(support), support.sum(axis=0)
    none = np.empty((answers, 0, 0))
    of_two = support.shape[1] == 2
    if np.count_nonzero(counts) < 2 or (of_two and len(table.classes) != 2):
        return none, none
    # The columns of `support` are the names', which need not stand as the model's classes do.
    if of_two:
        rarer = int(counts[1] <= counts[0])
        ranked_classes = [int(table.label_index[support[:, rarer] > 0][0])]
    else:
        ranked_classes = list(range(len(table.classes)))
    count = len(ranked_classes)
    most = min(_RANKS, _MOST_CELLS // (answers * count), _RANKS_OF_ALL // count)
    if most < _LEAST_RANKS:
        # Two labels are ranked in any case, however many steps there are.
        if not of_two:
            return none, none
        most = max(2, most)
    positives = table.label_index[:, None] == np.array(ranked_classes)
    scores = np.nan_to_num(table.probabilities[:, ranked_classes], nan=-1.0)
    ranks = np.stack([_ranks(scores[:, i], positives[:, i], most) for i in range(count)], axis=1)
    ranked: Array = (ranks[:, :, None] == np.arange(ranks.max() + 1)).astype(np.float64)
    return ranked, ranked * positives[:, :, None]


def _ranks(scores: Array, positive: NDArray[np.bool_], most: int) -> NDArray[np.int64]:
    """[A]: the rank of each score, 0 the least; of more than ``most`` neighbours share one."""
    edges = np.unique(scores)
    if len(edges) > most:
        # One half by the positives: a rare label has them where few of the others are.
        halves = (scores, most - most // 2), (scores[positive], most // 2)
        edges = np.unique(
            np.concatenate(
                [
                    np.quantile(part, np.linspace(0, 1, count), method="lower")
                    for part, count in halves
                    if len(part)
                ]
            )
        )
    return np.searchsorted(edges, scores, side="right") - 1


def _confidence(table: PredictionTable, bins: int) -> tuple[Array, NDArray[np.int64]]:
    """The probability of the answer [A] and its bin [A]; NaN is in bin 0, to spoil the sum."""
    # Bins are (low, high], as in Guo et al.: a probability of exactly 1 falls into the last one.
    bin_index = np.ceil(np.nan_to_num(table.confidence) * bins).astype(np.int64) - 1
    return table.confidence, np.clip(bin_index, 0, bins - 1)


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


def _per_class_in_clusters(
    names: Sequence[str], contributions: _Contributions, bootstrap: Bootstrap
) -> tuple[ClassMetrics, ...]:
    """As ``_per_class``, with intervals over resampled rows: their steps are not independent."""
    every = contributions.named(contributions.values)

    def share(index: int, of: Callable[[Sums], Array]) -> Interval:
        rows = int(np.count_nonzero(of(every)[:, index]))
        if not rows:
            return wilson(0, 0)

        def statistic(sums: Array) -> Array:
            named = contributions.named(sums)
            total = of(named)[:, index]
            # NaN where a resample has none: it says nothing.
            return np.where(total > 0, named.true_positives[:, index], np.nan) / total.clip(min=1)

        return bootstrap.interval(statistic, limits=(0.0, 1.0), trials=rows)

    support = every.support.sum(axis=0)
    return tuple(
        ClassMetrics(
            label=name,
            precision=share(i, lambda sums: sums.predicted),
            recall=share(i, lambda sums: sums.support),
            support=int(support[i]),
        )
        for i, name in enumerate(names)
    )


def _label_indices(
    table: PredictionTable, names: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and predicted labels as indices into ``names``, [A] each; -1 for no prediction."""
    index = {name: i for i, name in enumerate(names)}
    true = np.array([index[label] for label in table.labels], dtype=np.int64)
    of_class = np.array([index[name] for name in table.classes], dtype=np.int64)
    predicted = np.where(table.predicted_index >= 0, of_class[table.predicted_index], -1)
    return true, predicted


def _one_hot(indices: NDArray[np.int64], classes: int) -> Array:
    """[A, K] float64; a row of zeros for -1."""
    found: NDArray[np.bool_] = indices[:, None] == np.arange(classes)
    return found.astype(np.float64)
