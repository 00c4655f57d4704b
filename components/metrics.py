"""The metrics of a model on a test split: one entry of ``METRICS`` each.

The config, the scoring, the gate, the report, the console, MLflow and ``rnnflow compare`` read this
table, so a new metric is a new entry. numpy is imported for the types only: the gate and the
config, which must load fast, read the table as well.

An answer is what a label is given to: a row, or a step of a row (``components.label_tasks``).

Shapes: R resamples, K classes, B bins of the calibration error, C ranked classes, Q ranks of a
score.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

from components.label_tasks import TASKS, TaskName

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

GENERAL_ADVICE = (
    "Look at the learning curves and at the confusion matrix: more training rows, more steps "
    "(training.max_steps) or a larger model (model.units) may help. Relax gate.bounds only "
    "if a weaker model is good enough."
)
_STEPS_ADVICE = (
    "The steps may be right where the segments are not, if answers jump to and fro: two directions "
    "(model.bidirectional), more hidden units (model.units) and more training rows help."
)


@dataclasses.dataclass(frozen=True)
class Sums:
    """Sums over the examples, for R resamples of them at once; float64.

    A metric is a function of these alone, so that a resample costs one row of a matrix product.
    """

    rows: Array
    """[R]"""
    rows_right: Array
    """[R]: rows of which all answers are right."""
    edit_scores: Array
    """[R]: over the rows; see the metric ``edit_score``."""
    answers: Array
    """[R]"""
    loss: Array
    """[R]: cross entropy in nats, over the answers."""
    squared_distance: Array
    """[R]: of the probabilities from 1 for the label and 0 for the others, over the answers."""
    calibration_gaps: Array
    """[R, B]: 1 if correct, else 0, minus the top probability; by bin of that probability."""
    true_positives: Array
    """[R, K]"""
    support: Array
    """[R, K]: answers whose label is each class."""
    predicted: Array
    """[R, K]: answers predicted as each class."""
    cost: Array
    """[R, 1]: what the answers cost; [R, 0] where the config has no costs."""
    label_places: Array
    """[R, k]: answers whose label is the most probable one, the second, ... the k-th; k is 0 where
    it is not asked for."""
    ranked: Array
    """[R, C, Q]: for each ranked class the answers by the rank of its probability, the least one
    first. Of two labels that is the rarer one; of more it is each; C is 0 where none is ranked."""
    ranked_positives: Array
    """[R, C, Q]: those of them whose label it is."""


@dataclasses.dataclass(frozen=True)
class Need:
    """What must be there for a metric to be measured."""

    words: str
    """The end of a sentence: "it is measured of two labels"."""
    is_met: Callable[[Sums], bool]
    bound_instead: str
    """The metric that a gate may bound in its place."""


@dataclasses.dataclass(frozen=True)
class Metric:
    """What is known of one metric."""

    key: str
    """Its name in the config, in ``metrics.json`` and in MLflow."""
    label: str
    """Its name within a sentence; the report begins it with a capital."""
    short_label: str
    """Its name where a terminal has little room."""
    unit: str
    higher_is_better: bool
    value: Callable[[Sums], Array]
    """From sums of R resamples to [R] values."""
    interval: Literal["wilson", "percentile", "basic"]
    """How the 95 % interval is made: Wilson's for a proportion of answers that are independent,
    else a bootstrap over the rows (``components.evaluation.intervals``)."""
    tasks: tuple[TaskName, ...] = tuple(TASKS)
    """The kinds of labels that it measures answers to."""
    is_of_rows: bool = False
    """Whether it counts rows, where a row has many answers."""
    limits: tuple[float, float] = (0.0, 1.0)
    """The least and the greatest possible value."""
    needs: Need | None = None
    """Without it, it is measured in any case."""
    may_be_bounded: bool = True
    """Whether ``gate.bounds`` takes it."""
    in_summary: bool = True
    """Whether a terminal shows it at the end of a run; report and MLflow show all."""
    in_stage_line: bool = False
    """Whether the one line of the metrics stage names it."""
    advice: str = GENERAL_ADVICE
    """What to do when it is out of its bounds."""

    @property
    def mlflow_key(self) -> str:
        """The name of its value in MLflow; ``/low`` and ``/high`` follow for the interval."""
        return f"test/{self.key}"


def mean_over_classes(numerators: Array, denominators: Array) -> Array:
    """[R]: the mean of the classes' fractions, both [R, K], over the denominators that are not 0.

    Denominators are counts. Where one is 0, so is its numerator.
    """
    fractions = numerators / denominators.clip(min=1)
    return fractions.sum(axis=1) / (denominators > 0).sum(axis=1).clip(min=1)


def _weighted_f1(sums: Sums) -> Array:
    f1 = 2 * sums.true_positives / (sums.support + sums.predicted).clip(min=1)
    return (sums.support * f1).sum(axis=1) / sums.answers


def _matthews(sums: Sums) -> Array:
    """(c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2)), 0 where that is 0 / 0.

    Of s answers, of which c are right, and for each class t_k labels and p_k predictions.
    """
    right, answers = sums.true_positives.sum(axis=1), sums.answers
    above = right * answers - (sums.predicted * sums.support).sum(axis=1)
    below = (answers**2 - (sums.predicted**2).sum(axis=1)) * (
        answers**2 - (sums.support**2).sum(axis=1)
    )
    # Sums of whole numbers: what is not 0 is 1 at least.
    return above / below.clip(min=1) ** 0.5


def _roc_auc(sums: Sums) -> Array:
    """The share of the pairs of a positive and a negative in which the former ranks higher.

    A pair of equal rank is one half. The mean over the ranked classes with both.
    """
    positives = sums.ranked_positives
    negatives = sums.ranked - positives
    below = negatives.cumsum(axis=2) - negatives / 2
    pairs = positives.sum(axis=2) * negatives.sum(axis=2)
    return _mean_of_shares((positives * below).sum(axis=2), pairs)


def _average_precision(sums: Sums) -> Array:
    """The mean over the positives of the precision of all answers of their rank and above.

    The mean over the ranked classes with positives.
    """
    positives, answers = sums.ranked_positives[:, :, ::-1], sums.ranked[:, :, ::-1]
    precision = positives.cumsum(axis=2) / answers.cumsum(axis=2).clip(min=1)
    return _mean_of_shares((positives * precision).sum(axis=2), positives.sum(axis=2))


def _mean_of_shares(sums: Array, counts: Array) -> Array:
    """[R]: the mean over the classes of ``sums / counts``, both [R, C], but for counts of 0.

    NaN where all are: a resample without any says nothing.
    """
    shares = mean_over_classes(sums, counts)
    shares[~counts.any(axis=1)] = math.nan
    return shares


def _top_k_accuracy(k: int) -> Metric:
    return Metric(
        key=f"top_{k}_accuracy",
        label=f"top-{k} accuracy",
        short_label=f"top-{k}",
        unit=f"fraction of the examples, or steps, whose label is among the {k} most probable",
        higher_is_better=True,
        value=lambda sums: sums.label_places.sum(axis=1) / sums.answers,
        interval="wilson",
        needs=Need(
            f"of more than {k} labels, with metrics.top_k: {k}",
            lambda sums: sums.label_places.shape[1] == k,
            "accuracy",
        ),
    )


_TWO_LABELS = Need(
    "of two labels, with test examples of each",
    lambda sums: sums.ranked.shape[1] == 1,
    "macro_f1",
)
# Beyond, each has too few ranks for a curve; see `components.evaluation.scoring`.
_MORE_LABELS = Need(
    "of 3 to 128 labels, if labels times test examples are at most 524,288",
    lambda sums: sums.ranked.shape[1] > 1,
    "macro_f1",
)
TOP_K = (2, 3, 5, 10)
"""The numbers of labels that may be asked for."""


METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            key="accuracy",
            label="accuracy",
            short_label="accuracy",
            unit="fraction of the examples, or steps",
            higher_is_better=True,
            value=lambda sums: sums.true_positives.sum(axis=1) / sums.answers,
            interval="wilson",
            in_stage_line=True,
        ),
        *map(_top_k_accuracy, TOP_K),
        # A class that is neither there nor predicted has no F1, and says nothing about the model.
        Metric(
            key="macro_f1",
            label="macro-F1",
            short_label="macro-F1",
            unit="mean over the classes of 2 TP / (2 TP + FP + FN)",
            higher_is_better=True,
            value=lambda sums: mean_over_classes(
                2 * sums.true_positives, sums.support + sums.predicted
            ),
            interval="percentile",
            in_stage_line=True,
        ),
        Metric(
            key="balanced_accuracy",
            label="balanced accuracy",
            short_label="bal. accuracy",
            unit="mean over the classes of their recall",
            higher_is_better=True,
            value=lambda sums: mean_over_classes(sums.true_positives, sums.support),
            interval="percentile",
            in_summary=False,
        ),
        Metric(
            key="weighted_f1",
            label="weighted F1",
            short_label="weighted F1",
            unit="mean over the examples, or steps, of the F1 of their class",
            higher_is_better=True,
            value=_weighted_f1,
            interval="percentile",
            in_summary=False,
        ),
        # Gorodkin, Comparing two K-category assignments by a K-category correlation coefficient,
        # Computational Biology and Chemistry 28, 2004; of two classes it is that of Matthews, 1975.
        Metric(
            key="mcc",
            label="Matthews correlation",
            short_label="Matthews",
            unit="correlation of labels and answers",
            higher_is_better=True,
            value=_matthews,
            interval="percentile",
            limits=(-1.0, 1.0),
            in_summary=False,
        ),
        # Fawcett, An introduction to ROC analysis, Pattern Recognition Letters 27, 2006.
        Metric(
            key="roc_auc",
            label="area under the ROC curve",
            short_label="ROC AUC",
            unit="share of the pairs of both labels that the probability of the rarer one orders",
            higher_is_better=True,
            value=_roc_auc,
            interval="percentile",
            needs=_TWO_LABELS,
        ),
        # Without interpolation: the area under the precision-recall curve as steps (Davis and
        # Goadrich, The relationship between precision-recall and ROC curves, ICML 2006).
        Metric(
            key="average_precision",
            label="average precision",
            short_label="avg. precision",
            unit="area under the precision-recall curve of the rarer label",
            higher_is_better=True,
            value=_average_precision,
            interval="percentile",
            needs=_TWO_LABELS,
        ),
        # One label against the rest, each in turn (Provost and Domingos, Tree Induction for
        # Probability-Based Ranking, Machine Learning 52, 2003, with equal weights).
        Metric(
            key="macro_roc_auc",
            label="macro area under the ROC curves",
            short_label="macro ROC AUC",
            unit="mean over the labels of the ROC AUC of each against the rest",
            higher_is_better=True,
            value=_roc_auc,
            interval="percentile",
            needs=_MORE_LABELS,
            in_summary=False,
        ),
        Metric(
            key="macro_average_precision",
            label="macro average precision",
            short_label="macro avg. precision",
            unit="mean over the labels of the average precision of each against the rest",
            higher_is_better=True,
            value=_average_precision,
            interval="percentile",
            needs=_MORE_LABELS,
            in_summary=False,
        ),
        Metric(
            key="row_accuracy",
            label="share of rows with all steps right",
            short_label="rows right",
            unit="fraction of the examples of which every step is right",
            higher_is_better=True,
            value=lambda sums: sums.rows_right / sums.rows,
            interval="wilson",
            is_of_rows=True,
            tasks=("per_step",),
            advice=_STEPS_ADVICE,
        ),
        # Lea, Reiter, Vidal and Hager, Segmental Spatiotemporal CNNs for Fine-Grained Action
        # Segmentation, ECCV 2016: 1 - Levenshtein(S, S') / max(|S|, |S'|) of the labels of the
        # segments of a row, each run of one label being a segment. A late or an early border costs
        # nothing; a segment that is cut into pieces does.
        Metric(
            key="edit_score",
            label="segment edit score",
            short_label="edit score",
            unit="mean over the examples of 1 - normalized edit distance of the segments' labels",
            higher_is_better=True,
            value=lambda sums: sums.edit_scores / sums.rows,
            interval="percentile",
            tasks=("per_step",),
            in_stage_line=True,
            advice=_STEPS_ADVICE,
        ),
        # Elkan, The foundations of cost-sensitive learning, IJCAI 2001.
        Metric(
            key="expected_cost",
            label="expected cost",
            short_label="cost a row",
            unit="mean cost of an example, or step, by metrics.costs",
            higher_is_better=False,
            value=lambda sums: sums.cost[:, 0] / sums.answers,
            interval="percentile",
            limits=(0.0, math.inf),
            needs=Need(
                "where the config has metrics.costs",
                lambda sums: sums.cost.shape[1] > 0,
                "accuracy",
            ),
            in_stage_line=True,
            advice=(
                "The confusion matrix shows which answers cost most. For two labels "
                "`threshold: {positive: LABEL, aim: cost}` answers at the least cost; else "
                "model.loss.class_weights: balanced lets rare labels weigh more in training."
            ),
        ),
        Metric(
            key="average_loss",
            label="average loss",
            short_label="loss",
            unit="mean cross entropy in nats",
            higher_is_better=False,
            value=lambda sums: sums.loss / sums.answers,
            interval="percentile",
            limits=(-math.inf, math.inf),
        ),
        # Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review
        # 78, 1950: of two labels it is twice what is often called so.
        Metric(
            key="brier",
            label="Brier score",
            short_label="Brier",
            unit="mean of the sum over the classes of (probability - 1 for the label, else 0)^2",
            higher_is_better=False,
            value=lambda sums: sums.squared_distance / sums.answers,
            interval="percentile",
            limits=(0.0, 2.0),
            in_summary=False,
        ),
        # The expected calibration error (Guo, Pleiss, Sun and Weinberger, On Calibration of Modern
        # Neural Networks, ICML 2017): the mean over the bins of |accuracy - confidence|, weighted
        # by their counts. Noise alone drives it up, hence the basic interval.
        Metric(
            key="ece",
            label="calibration error (ECE)",
            short_label="ECE",
            unit="mean distance of confidence and accuracy",
            higher_is_better=False,
            value=lambda sums: abs(sums.calibration_gaps).sum(axis=1) / sums.answers,
            interval="basic",
            advice=(
                "The model's probabilities do not match how often it is right; the reliability "
                "diagram shows where. Keep the checkpoint with the lowest loss "
                "(training.early_stopping_metric: average_loss), and check that the test rows are "
                "like the training rows."
            ),
        ),
    )
}
"""By key, in the order in which they are shown."""


def metrics_of(task: TaskName) -> dict[str, Metric]:
    """Those that measure answers to labels of this kind, by key."""
    return {key: metric for key, metric in METRICS.items() if task in metric.tasks}
