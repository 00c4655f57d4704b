"""Metrics of rows that have a label at each step."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.artifacts.predictions import PredictionTable, StepPredictions
from components.artifacts.values import Metrics
from components.evaluation.scoring import differences, edit_score, score
from components.metrics import metrics_of

CLASSES = ("a", "b", "c")
SEGMENTS = st.lists(st.integers(0, 3), min_size=1, max_size=8)


def steps_of(true: list[str], predicted: list[str], sure: float = 0.8) -> StepPredictions:
    """A row for each text, a step for each letter."""
    rest = (1 - sure) / (len(CLASSES) - 1)
    rows = [[sure if name == each else rest for name in CLASSES] for each in "".join(predicted)]
    ids = tuple(f"row-{number:03}" for number in range(len(true)))
    lengths = tuple(map(len, true))
    return StepPredictions(ids, tuple("".join(true)), CLASSES, np.array(rows), lengths)


def measured(table: PredictionTable) -> Metrics:
    return score(table, table.classes, predictions_path="p", digest="d")


def random_steps(rows: int, seed: int) -> StepPredictions:
    draw = np.random.default_rng(seed)
    true = ["".join(draw.choice(list(CLASSES), draw.integers(1, 9))) for _ in range(rows)]
    seen = ["".join(c if draw.random() < 0.7 else draw.choice(list(CLASSES)) for c in row)
            for row in true]  # fmt: skip
    return steps_of(true, seen)


@given(st.builds(random_steps, st.integers(1, 12), st.integers(0, 1000)))
@settings(max_examples=10, deadline=None)
def test_steps_are_counted_as_scikit_learn_counts_them(table: StepPredictions) -> None:
    seen = measured(table)
    assert (seen.task, seen.examples) == ("per_step", len(table.steps))
    of_any_labels = {key for key, each in metrics_of("per_step").items() if each.needs is None}
    of_more = {"macro_roc_auc", "macro_average_precision"}
    assert set(seen.overall) - of_more == of_any_labels
    accuracy = sk.accuracy_score(table.labels, table.predicted)
    assert seen.overall["accuracy"].value == pytest.approx(accuracy)
    f1 = sk.f1_score(table.labels, table.predicted, average="macro")
    assert seen.overall["macro_f1"].value == pytest.approx(f1)
    loss = sk.log_loss(table.labels, table.probabilities, labels=list(CLASSES))
    assert seen.overall["average_loss"].value == pytest.approx(loss)
    matrix = sk.confusion_matrix(table.labels, table.predicted, labels=list(CLASSES))
    np.testing.assert_array_equal(seen.confusion, matrix)
    assert sum(each.support for each in seen.per_class) == sum(table.steps)
    for each in (*seen.overall.values(), *(part.recall for part in seen.per_class)):
        assert each.low <= each.value <= each.high


def test_a_row_is_right_if_all_of_its_steps_are() -> None:
    seen = measured(steps_of(["aab", "ab", "c"], ["aab", "aa", "c"])).overall
    assert seen["row_accuracy"].value == pytest.approx(2 / 3)
    assert seen["accuracy"].value == pytest.approx(5 / 6)
    # aab: 1; ab against a: one of two segments is missing; c: 1.
    assert seen["edit_score"].value == pytest.approx((1 + 0.5 + 1) / 3)


def test_a_late_border_costs_no_edit_and_a_cut_segment_does() -> None:
    late = measured(steps_of(["aaabbb"], ["aaaabb"])).overall["edit_score"]
    cut = measured(steps_of(["aaabbb"], ["acabbb"])).overall["edit_score"]
    assert (late.value, cut.value) == (1.0, 0.5)


def test_the_steps_of_a_row_are_no_evidence_of_their_own() -> None:
    """40 rows of 25 equal steps have the interval of 40 rows, and not of 1,000."""
    letters = ["a" if number % 4 else "b" for number in range(40)]
    single = measured(steps_of(["a"] * 40, letters))
    repeated = measured(steps_of(["a" * 25] * 40, [letter * 25 for letter in letters]))
    # Both are bootstraps over the same 40 rows, and so the same.
    one, many = single.overall["accuracy"], repeated.overall["accuracy"]
    assert (many.value, many.low, many.high) == pytest.approx((one.value, one.low, one.high))
    recall = repeated.per_class[0].recall
    assert recall.high - recall.low > 0.2


def test_a_class_that_few_rows_have_has_a_wide_interval_even_if_it_is_always_right() -> None:
    seen = measured(steps_of(["b" * 50, *["a"] * 60], ["b" * 50, *["a"] * 60]))
    recall = dict(zip(seen.labels, seen.per_class, strict=True))["b"].recall
    # Wilson's for one row of one.
    assert recall.value == 1.0
    assert recall.low == pytest.approx(0.2065, abs=1e-3)
    assert seen.per_class[2].support == 0


def test_a_step_without_a_prediction_is_wrong() -> None:
    table = steps_of(["ab"], ["ab"])
    table.probabilities[1] = np.nan
    seen = measured(table).overall
    assert (seen["accuracy"].value, seen["edit_score"].value) == (0.5, 0.5)
    assert np.isnan(seen["average_loss"].value)


def test_changes_are_paired_by_row() -> None:
    before, after = steps_of(["ab", "bb"], ["aa", "bb"]), steps_of(["ab", "bb"], ["ab", "bb"])
    assert differences(before, after)["accuracy"].value == pytest.approx(0.25)


@given(SEGMENTS, SEGMENTS)
def test_the_edit_score_is_symmetric_between_0_and_1_and_1_of_equals(
    first: list[int], second: list[int]
) -> None:
    found = edit_score(first, second)
    assert found == edit_score(second, first)
    assert 0 <= found <= 1
    assert edit_score(first, first) == 1
    assert (found == 1) == (first == second)


@given(SEGMENTS, SEGMENTS)
def test_the_edit_score_is_that_of_the_textbooks_table(first: list[int], second: list[int]) -> None:
    table = [[i + j for j in range(len(second) + 1)] for i in range(len(first) + 1)]
    for i, j in np.ndindex(len(first), len(second)):
        change = table[i][j] + (first[i] != second[j])
        table[i + 1][j + 1] = min(change, table[i][j + 1] + 1, table[i + 1][j] + 1)
    assert edit_score(first, second) == 1 - table[-1][-1] / max(len(first), len(second))


ROW = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=9)


@given(ROW, st.data())
@settings(max_examples=25, deadline=None)
def test_repeating_a_step_within_its_segments_leaves_the_edit_score(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(pairs) - 1))
    longer = [*pairs[: at + 1], pairs[at], *pairs[at + 1 :]]

    def found(steps: list[tuple[str, str]]) -> float:
        true, predicted = ("".join(letters) for letters in zip(*steps, strict=True))
        (segments,) = steps_of([true], [predicted]).segments()
        return edit_score(*segments)

    assert found(longer) == found(pairs)
