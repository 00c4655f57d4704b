from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from components.artifacts.predictions import PredictionTable, StepPredictions
from components.artifacts.values import CurvePoint, Threshold
from components.errors import SkewError
from components.export.skew import SIGNATURES, largest_difference

EXPECTED = PredictionTable(
    ids=("a", "b", "c"),
    labels=("x", "y", "x"),
    classes=("x", "y"),
    probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]]),
)


def answers(**changes: Any) -> dict[str, Any]:
    """Two of the rows, in another order."""
    found = EXPECTED.probabilities[[2, 0]]
    plain = {name: found.copy() for name in SIGNATURES}
    plain |= {f"{name}.class_ids": np.array([0, 0]) for name in SIGNATURES}
    return {"ids": np.array(["c", "a"]), "labels": np.array(["x", "y"]), **plain, **changes}


def test_rows_are_matched_by_their_ids() -> None:
    assert largest_difference(answers(), EXPECTED, 1e-5) == 0.0


@pytest.mark.parametrize("signature", SIGNATURES)
def test_the_largest_difference_of_either_signature_is_told(signature: str) -> None:
    near = EXPECTED.probabilities[[2, 0]] + np.array([[0.0, 1e-6], [-3e-6, 0.0]])
    found = largest_difference(answers(**{signature: near}), EXPECTED, 1e-5)
    assert found == pytest.approx(3e-6)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_larger_difference_is_skew_with_the_worst_row(signature: str) -> None:
    far = EXPECTED.probabilities[[2, 0]] + np.array([[0.0, 2e-5], [1e-3, 0.0]])
    with pytest.raises(SkewError) as caught:
        largest_difference(answers(**{signature: far}), EXPECTED, 1e-5)
    message = str(caught.value)
    for part in ("row 'a'", signature, "[0.901, 0.1]", "[0.9, 0.1]", "0.001", "2 of 2 rows"):
        assert part in message


def test_an_answer_that_is_no_number_is_skew() -> None:
    broken = EXPECTED.probabilities[[2, 0]].copy()
    broken[0, 0] = np.nan
    with pytest.raises(SkewError, match="row 'c'"):
        largest_difference(answers(raw=broken), EXPECTED, 1e-5)


@pytest.mark.parametrize(
    "changes", [{"labels": np.array(["y", "x"])}, {"ids": np.array(["c", "stranger"])}]
)
def test_other_labels_or_rows_do_not_fit(changes: dict[str, Any]) -> None:
    with pytest.raises(SkewError, match="do not fit"):
        largest_difference(answers(**changes), EXPECTED, 1e-5)


def test_steps_are_matched_by_the_ids_of_their_rows() -> None:
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    expected = StepPredictions(("a", "b"), ("x", "y", "x"), ("x", "y"), probabilities, (2, 1))
    found = {name: probabilities[[2, 0, 1]] for name in SIGNATURES}
    ids = {f"{name}.class_ids": np.array([0, 0, 1]) for name in SIGNATURES}
    given = {"ids": np.array(["b", "a"]), "labels": np.array(["x", "y"]), **found, **ids}
    assert largest_difference(given, expected, 1e-5) == 0.0
    found["raw"] = found["raw"] + np.array([[0, 0], [0, 0], [0.1, 0]])
    with pytest.raises(SkewError, match=r"row 'a', signature raw.* 1 of 2 rows differ"):
        largest_difference({**given, **found}, expected, 1e-5)


@pytest.mark.parametrize("signature", SIGNATURES)
def test_another_answer_at_the_same_probabilities_is_skew(signature: str) -> None:
    # Of row c both are equally probable: it may be answered either way.
    either = answers(**{f"{signature}.class_ids": np.array([1, 0])})
    assert largest_difference(either, EXPECTED, 1e-5) == 0.0
    with pytest.raises(SkewError, match=f"row 'a', signature {signature}: .* answers 'y'"):
        largest_difference(answers(**{f"{signature}.class_ids": np.array([0, 1])}), EXPECTED, 1e-5)


def test_by_a_threshold_an_answer_may_differ_next_to_it_alone() -> None:
    point = CurvePoint(0.1, 1.0, 1.0, 1.0)
    threshold = Threshold("y", 0.1, "f_beta", point)
    expected = dataclasses.replace(EXPECTED, class_ids=np.array([1, 1, 1]))
    same = {f"{name}.class_ids": np.array([1, 1]) for name in SIGNATURES}
    assert largest_difference(answers(**same), expected, 1e-5, threshold) == 0.0
    near = same | {"raw.class_ids": np.array([1, 0])}
    assert largest_difference(answers(**near), expected, 1e-5, threshold) == 0.0
    with pytest.raises(SkewError, match="row 'c'"):
        largest_difference(
            answers(**(same | {"raw.class_ids": np.array([0, 1])})), expected, 1e-5, threshold
        )
