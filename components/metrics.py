"""The metrics of a model on a test split: one entry of ``METRICS`` each.

The config, the scoring, the gate, the report, the console, MLflow and ``rnnflow compare`` read this
table, so a new metric is a new entry. numpy is imported for the types only: the gate and the
config, which must load fast, read the table as well.

Shapes: R resamples, K classes, B bins of the calibration error.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

GENERAL_ADVICE = (
    "Look at the learning curves and at the confusion matrix: more training rows, more steps "
    "(training.max_steps) or a larger model (model.units) may help. Relax gate.bounds only "
    "if a weaker model is good enough."
)


@dataclasses.dataclass(frozen=True)
class Sums:
    """Sums over the examples, for R resamples of them at once; float64.

    A metric is a function of these alone, so that a resample costs one row of a matrix product.
    """

    examples: int
    loss: Array
    """[R]: cross entropy in nats."""
    calibration_gaps: Array
    """[R, B]: 1 if correct, else 0, minus the top probability; by bin of that probability."""
    true_positives: Array
    """[R, K]"""
    support: Array
    """[R, K]: examples of each class."""
    predicted: Array
    """[R, K]: examples predicted as each class."""


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
    """How the 95 % interval is made: Wilson's for a proportion of the examples, else a bootstrap
    (``components.evaluation.intervals``)."""
    limits: tuple[float, float] = (0.0, 1.0)
    """The least and the greatest possible value."""
    may_be_bounded: bool = True
    """Whether ``gate.bounds`` takes it."""
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


METRICS = {
    metric.key: metric
    for metric in (
        Metric(
            key="accuracy",
            label="accuracy",
            short_label="accuracy",
            unit="fraction of the examples",
            higher_is_better=True,
            value=lambda sums: sums.true_positives.sum(axis=1) / sums.examples,
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
            key="average_loss",
            label="average loss",
            short_label="loss",
            unit="mean cross entropy in nats",
            higher_is_better=False,
            value=lambda sums: sums.loss / sums.examples,
            interval="percentile",
            limits=(-math.inf, math.inf),
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
            value=lambda sums: abs(sums.calibration_gaps).sum(axis=1) / sums.examples,
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
