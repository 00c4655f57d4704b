"""The metrics of a model on a test split: one entry of ``METRICS`` each.

The config, the scoring, the gate, the report, the console, MLflow and ``rnnflow compare`` read this
table, so a new metric is a new entry. numpy is imported for the types only: the gate and the
config, which must load fast, read the table as well.

An answer is what a label is given to: a row, or a step of a row (``components.label_tasks``).

Shapes: R resamples, K classes, B bins of the calibration error, Q ranks of a score.
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
    ranked: Array
    """[R, Q]: answers by the rank of the probability of the rarer label, the least one first; Q is
    0 unless there are two labels."""
    ranked_positives: Array
    """[R, Q]: those of them whose label it is."""


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
    of_two_labels: bool = False
    """Whether it is measured only where there are two labels, and rows with each of them."""
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
    return fractions.sum(axis=1) / (denominators > 0).sum(axis=1)


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

    A pair of equal rank is one half. NaN without positives or without negatives.
    """
    positives = sums.ranked_positives
    negatives = sums.ranked - positives
    below = negatives.cumsum(axis=1) - negatives / 2
    pairs = positives.sum(axis=1) * negatives.sum(axis=1)
    return _share((positives * below).sum(axis=1), pairs)


def _average_precision(sums: Sums) -> Array:
    """The mean over the positives of the precision of all answers of their rank and above."""
    positives, answers = sums.ranked_positives[:, ::-1], sums.ranked[:, ::-1]
    precision = positives.cumsum(axis=1) / answers.cumsum(axis=1).clip(min=1)
    return _share((positives * precision).sum(axis=1), positives.sum(axis=1))


def _share(sums: Array, counts: Array) -> Array:
    """[R]: ``sums / counts``, NaN for a count of 0: a resample without any says nothing."""
    shares = sums / counts.clip(min=1)
    shares[counts == 0] = math.nan
    return shares


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
            of_two_labels=True,
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
            of_two_labels=True,
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
