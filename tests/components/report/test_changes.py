"""The answers in which two models differ: what was lost first, and no more than a person reads."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.predictions import PredictionTable, StepPredictions
from components.report.changes import changed_answers

CLASSES = ("a", "b", "c")


def table(answers: str, labels: str = "", sure: float = 0.8) -> PredictionTable:
    """Answers and labels, by default all a, a letter each; the first answers are the surest."""
    labels = labels or "a" * len(answers)
    known = np.array([CLASSES.index(answer) for answer in answers])
    top = sure - 0.01 * np.arange(len(answers))
    probabilities = np.repeat(((1 - top) / 2)[:, None], 3, axis=1)
    probabilities[np.arange(len(answers)), known] = top
    ids = tuple(f"r{i}" for i in range(len(answers)))
    return PredictionTable(ids, tuple(labels), CLASSES, probabilities)


def test_what_was_lost_comes_before_what_was_gained_and_what_is_wrong_in_another_way() -> None:
    labels = "aaaabb"
    found = changed_answers(table("abcbaa", labels), table("aababb", labels))
    assert [(each.id, each.champion, each.candidate) for each in found.shown] == [
        ("r1", "a", "b"), ("r3", "a", "b"), ("r4", "b", "a"), ("r5", "b", "a"), ("r2", "b", "c"),
    ]  # fmt: skip
    assert [each.who_is_right for each in found.shown] == [*["champion"] * 4, "neither"]
    found = changed_answers(table("cacba", "aabab"), table("bbaba", "aabab"))
    assert [(each.id, each.who_is_right) for each in found.shown] == [
        ("r1", "candidate"), ("r0", "neither"), ("r2", "neither"),
    ]  # fmt: skip


def test_each_has_its_label_and_both_probabilities() -> None:
    (row,) = changed_answers(table("ab"), table("aa", sure=0.9)).shown
    assert (row.id, row.label, row.step) == ("r1", "a", None)
    assert round(row.candidate_probability, 3) == 0.79
    assert round(row.champion_probability, 3) == 0.89


def test_the_order_of_the_champions_rows_does_not_matter() -> None:
    ours, theirs = table("abcabc"), table("aaaaaa")
    assert changed_answers(ours, theirs.take([3, 1, 5, 0, 2, 4])) == changed_answers(ours, theirs)


def test_a_model_without_an_answer_differs_from_one_that_has_one() -> None:
    ours = table("aa")
    broken = dataclasses.replace(ours, probabilities=ours.probabilities * [[1.0], [np.nan]])
    (row,) = changed_answers(broken, ours).shown
    assert (row.id, row.candidate, row.candidate_probability) == ("r1", "", 0.0)


def test_of_steps_the_row_and_the_step_are_named() -> None:
    ours, theirs = table("abab"), table("aaaa")
    steps = (3, 1)

    def of_steps(rows: PredictionTable) -> StepPredictions:
        return StepPredictions(("x", "y"), tuple("aaaa"), CLASSES, rows.probabilities, steps)

    found = changed_answers(of_steps(ours), of_steps(theirs))
    assert [(each.id, each.step) for each in found.shown] == [("x", 1), ("y", 0)]


@given(st.lists(st.sampled_from("abc"), min_size=6, max_size=6), st.integers(0, 6))
def test_all_that_differ_are_counted_and_a_few_are_shown(answers: list[str], shown: int) -> None:
    ours, theirs = table("".join(answers)), table("abcabc")
    found = changed_answers(ours, theirs, shown)
    differ = sum(one != other for one, other in zip(answers, "abcabc", strict=True))
    assert found.count == differ
    assert len(found.shown) == min(shown, differ)
