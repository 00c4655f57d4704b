"""Whether the exported model answers as the evaluated one did.

Shapes: N rows, A answers (the rows, or all their steps), K labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import Threshold
from components.errors import SkewError

SIGNATURES = ("serving_default", "raw")


def largest_difference(
    answers: Mapping[str, NDArray[Any]],
    expected: PredictionTable,
    tolerance: float,
    threshold: Threshold | None = None,
) -> float:
    """The largest difference of a probability over all rows and both signatures.

    Args:
        answers: ``ids`` [N], ``labels`` [K], and of each signature the probabilities [A, K] and,
          as ``NAME.class_ids``, the answers [A].
        expected: the evaluation's predictions, of these rows and perhaps more, in any order.
        tolerance: the largest difference that is allowed.
        threshold: of the evaluated model.

    Raises:
        SkewError: a difference is larger, or is not a number; an answer is another label though
          its probability is not as near to the threshold; or rows or labels do not fit.
    """
    ids = answers["ids"].tolist()
    classes = tuple(answers["labels"].tolist())
    if classes != expected.classes or not set(ids) <= set(expected.ids):
        raise SkewError(
            f"the exported model and the evaluation do not fit: labels {classes} against "
            f"{expected.classes}. Both were made from other examples; remove the artifacts of "
            "this run and start again."
        )
    wanted = expected.of_ids(ids)
    largest = max(_difference(answers[name], wanted, name, tolerance) for name in SIGNATURES)
    for name in SIGNATURES:
        _check_ids(answers[f"{name}.class_ids"], wanted, name, tolerance, threshold)
    return largest


def _difference(
    found: NDArray[np.float64],
    wanted: PredictionTable,
    signature: str,
    tolerance: float,
) -> float:
    difference = np.abs(found - wanted.probabilities).max(axis=1)
    worst = int(np.argmax(np.where(np.isnan(difference), np.inf, difference)))
    # Not `>`: NaN is neither greater nor smaller, and must not pass.
    if not difference[worst] <= tolerance:
        row_id = wanted.ids[wanted.row_of_answer[worst]]
        differing = np.unique(wanted.row_of_answer[~(difference <= tolerance)]).size
        raise SkewError(
            f"row {row_id!r}, signature {signature}: the exported model answers "
            f"{np.round(found[worst], 6).tolist()}, the evaluation "
            f"{np.round(wanted.probabilities[worst], 6).tolist()}; they differ by "
            f"{difference[worst]:.3g}, and export.tolerance allows {tolerance:g}. {differing} of "
            f"{len(wanted)} rows differ. The model was not exported."
        )
    return float(difference[worst])


def _check_ids(
    ids: NDArray[np.int64],
    wanted: PredictionTable,
    signature: str,
    tolerance: float,
    threshold: Threshold | None,
) -> None:
    """Probabilities that differ in their last digits may lie on either side of the threshold."""
    if threshold is None:
        least, largest = np.sort(wanted.probabilities, axis=1)[:, -2:].T
        distance = (largest - least) / 2
    else:
        positive = wanted.classes.index(threshold.positive)
        distance = np.abs(wanted.probabilities[:, positive] - threshold.value)
    wrong = np.flatnonzero((ids != wanted.predicted_index) & (distance > tolerance))
    if wrong.size:
        first = wrong[0]
        row_id = wanted.ids[wanted.row_of_answer[first]]
        raise SkewError(
            f"row {row_id!r}, signature {signature}: the exported model answers "
            f"{wanted.classes[ids[first]]!r}, the evaluation {wanted.predicted[first]!r}, at the "
            f"same probabilities. {wrong.size} answers differ. The model was not exported."
        )
