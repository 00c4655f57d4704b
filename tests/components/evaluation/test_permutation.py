"""The paired test of models on rows with many answers each."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.artifacts.predictions import PredictionTable, StepPredictions
from components.evaluation.gate import mcnemar_worse
from components.evaluation.permutation import paired_costs, paired_rows, sign_flip_p

FEW = st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=1, max_size=7)


def table(right: list[str]) -> StepPredictions:
    """A row for each text, a step for each letter: ``x`` is right, ``.`` is wrong."""
    steps = [letter for row in right for letter in row]
    probabilities = np.array([[0.9, 0.1] if step == "x" else [0.1, 0.9] for step in steps])
    ids = tuple(str(number) for number in range(len(right)))
    return StepPredictions(
        ids, ("a",) * len(steps), ("a", "b"), probabilities, tuple(map(len, right))
    )


@given(FEW)
def test_few_rows_are_tested_by_all_choices_of_signs(differences: list[float]) -> None:
    signs = np.array(list(itertools.product([-1, 1], repeat=len(differences))))
    sums = signs @ np.abs(differences)
    expected = np.mean(sums <= np.sum(differences) + 1e-9)
    assert sign_flip_p(np.array(differences)) == pytest.approx(expected)


@given(st.integers(0, 8), st.integers(0, 8), st.integers(0, 5))
def test_with_one_step_a_row_it_is_mcnemars_exact_test(ours: int, theirs: int, ties: int) -> None:
    differences = np.array([1.0] * ours + [-1.0] * theirs + [0.0] * (ties + 1))
    assert sign_flip_p(differences) == pytest.approx(mcnemar_worse(ours, theirs))


@pytest.mark.parametrize(("ours", "theirs"), [(30, 30), (20, 35), (60, 45), (0, 40)])
def test_of_many_rows_signs_are_drawn_and_come_close(ours: int, theirs: int) -> None:
    differences = np.array([1.0] * ours + [-1.0] * theirs)
    found = sign_flip_p(differences)
    assert found == pytest.approx(mcnemar_worse(ours, theirs), abs=0.02)
    assert 0 < found == sign_flip_p(differences)


@given(FEW)
@settings(max_examples=30)
def test_a_row_that_ties_changes_nothing(differences: list[float]) -> None:
    with_ties = np.array([*differences, 0.0, 0.0])
    assert sign_flip_p(with_ties) == pytest.approx(sign_flip_p(np.array(differences)))


def test_many_steps_of_one_row_are_no_more_evidence_than_the_row() -> None:
    long = 500
    found = paired_rows(table(["x" * long, "x"]), table(["." * long, "x"]))
    assert (found.mean_difference, found.candidate_ahead, found.other_ahead) == (0.5, 1, 0)
    # One row alone may be ahead by chance: over its 500 steps McNemar would be sure.
    assert (found.p_better, found.p_worse) == (0.5, 1.0)


def test_shares_of_rows_of_any_length_count_alike() -> None:
    found = paired_rows(table(["x.", "xxxx"]), table(["..", "xx.."]))
    assert found.mean_difference == 0.5
    assert (found.candidate_ahead, found.other_ahead) == (2, 0)


def answers(text: str) -> PredictionTable:
    """A row of the label a for each letter, which is the answer."""
    probabilities = np.array([[letter == "a", letter == "b"] for letter in text], np.float64)
    ids = tuple(map(str, range(len(text))))
    return PredictionTable(ids, ("a",) * len(text), ("a", "b"), probabilities)


def test_equal_costs_of_all_errors_are_the_test_of_right_answers() -> None:
    ours, theirs = answers("aaabb"), answers("abbba")
    by_cost = paired_costs(ours, theirs, {"a": {"b": 7.0}, "b": {"a": 7.0}})
    found = paired_rows(ours, theirs)
    assert (by_cost.mean_difference, by_cost.p_worse) == (found.mean_difference, found.p_worse)
    assert by_cost.candidate_ahead == found.candidate_ahead == 2
    assert by_cost.costs_digest
    assert not found.costs_digest


def test_costs_are_shares_of_the_largest_one_and_a_mean_over_the_steps_of_a_row() -> None:
    costs = {"a": {"b": 2.0}, "b": {"a": 8.0}}
    assert paired_costs(answers("aa"), answers("ba"), costs).mean_difference == 0.125
    steps = paired_costs(table(["xx", "xx"]), table(["x.", "xx"]), costs)
    assert (steps.mean_difference, steps.candidate_ahead) == (0.0625, 1)
    other = paired_costs(answers("aa"), answers("ba"), {"a": {"b": 2.0}, "b": {"a": 4.0}})
    assert other.costs_digest != steps.costs_digest
