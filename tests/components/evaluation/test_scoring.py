"""Metrics from predictions, held against scikit-learn and against worked examples."""

from __future__ import annotations

import dataclasses
import math
import random
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from components.artifacts.predictions import PredictionTable
from components.artifacts.values import Interval, Metrics
from components.errors import DataError
from components.evaluation.scoring import LOSS_FLOOR, calibration, differences, score
from components.metrics import TOP_K, metrics_of
from components.metrics_config import MetricsConfig, cost_of


def random_table(examples: int, classes: int, seed: int, signal: float = 2.0) -> PredictionTable:
    draw = np.random.default_rng(seed)
    true = draw.integers(classes, size=examples)
    logits = draw.normal(size=(examples, classes))
    logits[np.arange(examples), true] += signal
    odds = np.exp(logits)
    names = tuple(f"c{i}" for i in range(classes))
    return PredictionTable(
        ids=tuple(f"row-{i}" for i in range(examples)),
        labels=tuple(names[i] for i in true),
        classes=names,
        probabilities=odds / odds.sum(axis=1, keepdims=True),
    )


def table_of(
    labels: str, predicted: str, sure: float = 0.8, classes: str = "abc"
) -> PredictionTable:
    """One letter an example; the predicted class gets ``sure``, the rest share what is left."""
    rest = (1 - sure) / (len(classes) - 1)
    rows = [[sure if name == each else rest for name in classes] for each in predicted]
    ids = tuple(f"row-{i:03}" for i in range(len(labels)))
    return PredictionTable(ids, tuple(labels), tuple(classes), np.array(rows))


def measured(table: PredictionTable, labels: str | None = None, **asked: Any) -> Metrics:
    return score(
        table,
        labels or table.classes,
        predictions_path="p",
        digest="d",
        settings=MetricsConfig(**asked),
    )


TABLES = st.builds(
    random_table, st.integers(1, 80), st.integers(2, 6), st.integers(0, 10_000), st.floats(0, 4)
)


@pytest.mark.slow
@given(TABLES)
@settings(max_examples=25, deadline=None)
def test_metrics_agree_with_scikit_learn(table: PredictionTable) -> None:
    seen = measured(table)
    names = list(table.classes)
    assert seen.overall["accuracy"].value == pytest.approx(
        sk.accuracy_score(table.labels, table.predicted)
    )
    with warnings.catch_warnings():
        # One class only is fine here.
        warnings.filterwarnings("ignore", category=UserWarning)
        expected = {
            "macro_f1": sk.f1_score(table.labels, table.predicted, average="macro"),
            "weighted_f1": sk.f1_score(table.labels, table.predicted, average="weighted"),
            "balanced_accuracy": sk.balanced_accuracy_score(table.labels, table.predicted),
            "mcc": sk.matthews_corrcoef(table.labels, table.predicted),
        }
        matrix = sk.confusion_matrix(table.labels, table.predicted, labels=names)
    assert {key: seen.overall[key].value for key in expected} == pytest.approx(expected)
    np.testing.assert_array_equal(seen.confusion, matrix)
    indicator = np.array([[label == name for name in names] for label in table.labels])
    assert seen.overall["brier"].value == pytest.approx(
        len(names) * sk.mean_squared_error(indicator, table.probabilities)
    )
    loss = sk.log_loss(table.labels, table.probabilities, labels=names)
    assert seen.overall["average_loss"].value == pytest.approx(loss)
    precision, recall, _, support = sk.precision_recall_fscore_support(
        table.labels, table.predicted, labels=names, zero_division=0
    )
    assert [each.precision.value for each in seen.per_class] == pytest.approx(precision)
    assert [each.recall.value for each in seen.per_class] == pytest.approx(recall)
    assert [each.support for each in seen.per_class] == support.tolist()


# More probabilities than ranks share these.
@pytest.mark.parametrize(("examples", "exact"), [(300, 1e-9), (3_000, 5e-3)])
def test_two_labels_are_ranked_as_by_scikit_learn(examples: int, exact: float) -> None:
    table = random_table(examples, 2, seed=3, signal=0.7)
    # A third of the second label, so that it is the rarer one; and some equal probabilities.
    keep = [i for i, label in enumerate(table.labels) if label == "c0" or i % 2]
    table = table.take(keep)
    table = dataclasses.replace(table, probabilities=table.probabilities.round(3))
    seen = measured(table).overall
    positive = np.array(table.labels) == "c1"
    scores = table.probabilities[:, 1]
    assert 0 < positive.sum() < len(table) / 2
    assert seen["roc_auc"].value == pytest.approx(sk.roc_auc_score(positive, scores), abs=exact)
    assert seen["average_precision"].value == pytest.approx(
        sk.average_precision_score(positive, scores), abs=exact
    )
    assert seen["roc_auc"].low < seen["roc_auc"].value < seen["roc_auc"].high


def test_the_rarer_label_is_the_positive_one_whatever_its_place() -> None:
    found = [
        measured(table_of(labels, labels, classes="ab")).overall["average_precision"].value
        for labels in ("aaab", "bbba")
    ]
    assert found == [1, 1]
    wrong = [
        measured(table_of(labels, "b" * 4, classes="ab")).overall["average_precision"].value
        for labels in ("aaab", "bbba")
    ]
    assert wrong == [0.25, 0.25]


@pytest.mark.parametrize(("labels", "classes"), [("abc", "abc"), ("aaa", "ab"), ("aaz", "ab")])
def test_labels_that_are_not_two_are_not_ranked(labels: str, classes: str) -> None:
    seen = measured(table_of(labels, "aaa", classes=classes))
    assert {"roc_auc", "average_precision"}.isdisjoint(seen.overall)


@pytest.mark.slow
@given(
    st.builds(random_table, st.integers(1, 60), st.integers(3, 12), st.integers(0, 10_000)),
    st.sampled_from(TOP_K),
)
@settings(max_examples=25, deadline=None)
def test_the_label_is_among_the_most_probable_as_often_as_scikit_learn_says(
    table: PredictionTable, k: int
) -> None:
    seen = measured(table, top_k=k).overall
    measured_k = {each for each in TOP_K if f"top_{each}_accuracy" in seen}
    assert measured_k == ({k} if k < len(table.classes) else set())
    if measured_k:
        expected = sk.top_k_accuracy_score(
            table.label_index, table.probabilities, k=k, labels=range(len(table.classes))
        )
        assert seen[f"top_{k}_accuracy"].value == pytest.approx(expected)


def test_of_more_than_five_labels_the_three_most_probable_are_looked_at() -> None:
    assert "top_3_accuracy" not in measured(random_table(20, 5, seed=1)).overall
    assert "top_3_accuracy" in measured(random_table(20, 6, seed=1)).overall


def test_what_is_not_known_is_not_among_the_most_probable() -> None:
    table = table_of("aaz", "aaa")
    probabilities = table.probabilities.copy()
    probabilities[1] = np.nan
    table = dataclasses.replace(table, probabilities=probabilities)
    assert measured(table, top_k=2).overall["top_2_accuracy"].value == pytest.approx(1 / 3)


def test_of_equally_probable_labels_the_first_is_the_first_as_in_the_answer() -> None:
    rows = np.full((3, 3), 1 / 3)
    table = PredictionTable(("1", "2", "3"), ("a", "b", "c"), ("a", "b", "c"), rows)
    seen = measured(table, top_k=2).overall
    assert seen["accuracy"].value == pytest.approx(1 / 3)
    assert seen["top_2_accuracy"].value == pytest.approx(2 / 3)


# More probabilities than ranks share these; the ranks of 30 labels are 68 each.
@pytest.mark.parametrize(
    ("examples", "classes", "exact"), [(150, 3, 1e-9), (2_000, 5, 1e-3), (2_000, 30, 1e-2)]
)
def test_each_of_more_labels_is_ranked_against_the_rest_as_by_scikit_learn(
    examples: int, classes: int, exact: float
) -> None:
    table = random_table(examples, classes, seed=3, signal=1.0)
    seen = measured(table).overall
    indicator = np.array([[label == name for name in table.classes] for label in table.labels])
    found = seen["macro_roc_auc"], seen["macro_average_precision"]
    expected = (
        sk.roc_auc_score(indicator, table.probabilities, average="macro"),
        sk.average_precision_score(indicator, table.probabilities, average="macro"),
    )
    assert [each.value for each in found] == pytest.approx(expected, abs=exact)
    assert all(each.low < each.value < each.high for each in found)
    assert {"roc_auc", "average_precision"}.isdisjoint(seen)


def test_a_label_without_rows_is_left_out_of_the_mean_over_the_labels() -> None:
    table = random_table(200, 4, seed=5)
    without = table.take([i for i, label in enumerate(table.labels) if label != "c3"])
    seen = measured(without).overall["macro_roc_auc"].value
    each = [
        sk.roc_auc_score(np.array(without.labels) == name, without.probabilities[:, i])
        for i, name in enumerate(without.classes[:3])
    ]
    assert seen == pytest.approx(np.mean(each))


def test_labels_that_would_have_too_few_ranks_are_not_ranked() -> None:
    assert "macro_roc_auc" in measured(random_table(20, 128, seed=1)).overall
    assert "macro_roc_auc" not in measured(random_table(20, 129, seed=1)).overall


COSTS = st.dictionaries(
    st.sampled_from(["c0", "c1", "c9"]),
    st.dictionaries(st.sampled_from(["c0", "c1", "c2"]), st.floats(0, 100), min_size=1),
    min_size=1,
)


@given(TABLES, COSTS)
@settings(max_examples=20, deadline=None)
def test_the_expected_cost_is_the_mean_over_the_answers(
    table: PredictionTable, costs: dict[str, dict[str, float]]
) -> None:
    seen = measured(table, costs=costs).overall["expected_cost"]
    each = [cost_of(costs, *pair) for pair in zip(table.labels, table.predicted, strict=True)]
    assert seen.value == pytest.approx(np.mean(each))
    matrix = sk.confusion_matrix(table.labels, table.predicted, labels=list(table.classes))
    weights = [[cost_of(costs, a, b) for b in table.classes] for a in table.classes]
    assert seen.value == pytest.approx((matrix * np.array(weights)).sum() / len(table))
    assert "expected_cost" not in measured(table).overall


def test_no_answer_costs_as_much_as_the_dearest_one() -> None:
    table = table_of("ab", "ab")
    probabilities = table.probabilities.copy()
    probabilities[0] = np.nan
    table = dataclasses.replace(table, probabilities=probabilities)
    seen = measured(table, costs={"a": {"b": 5.0}}).overall
    assert seen["expected_cost"].value == 2.5


def test_the_answer_need_not_be_the_most_probable_label() -> None:
    """At a threshold of 0.2 for b; the confidence is the probability of the answer."""
    rows = np.array([[0.7, 0.3], [0.7, 0.3], [0.9, 0.1], [0.2, 0.8]])
    ids = np.array([1, 1, 0, 1])
    table = PredictionTable(tuple("1234"), tuple("abab"), ("a", "b"), rows, class_ids=ids)
    seen = measured(table)
    assert table.predicted == tuple("bbab")
    assert seen.confusion == ((1, 1), (0, 2))
    assert seen.overall["average_loss"].value == pytest.approx(-np.log([0.7, 0.3, 0.9, 0.8]).mean())
    # Two answers in the bin of 0.3, one of them right; one each at 0.9 and 0.8.
    assert seen.overall["ece"].value == pytest.approx((2 * 0.2 + 0.1 + 0.2) / 4)
    assert measured(table.take([3, 2, 1, 0])) == seen


@given(TABLES, st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_examples_never_matters(
    table: PredictionTable, shuffler: random.Random
) -> None:
    order = list(range(len(table)))
    shuffler.shuffle(order)
    assert measured(table.take(order)) == measured(table)


@given(TABLES)
@settings(max_examples=20, deadline=None)
def test_every_value_lies_in_its_interval(table: PredictionTable) -> None:
    seen = measured(table)
    for each in (*seen.overall.values(), *(part.recall for part in seen.per_class)):
        assert each.low <= each.value <= each.high
    for key, metric in metrics_of("per_row").items():
        if found := seen.overall.get(key):
            least, greatest = metric.limits
            assert least <= found.low
            assert found.high <= greatest


def test_a_class_that_is_neither_there_nor_predicted_is_left_out_of_macro_f1() -> None:
    seen = measured(table_of("aabb", "aabb"))
    assert seen.overall["macro_f1"].value == 1
    absent = seen.per_class[2]
    assert (absent.support, absent.recall) == (0, Interval(0, 0, 1))
    assert absent.precision == Interval(0, 0, 1)


def test_a_class_that_is_only_predicted_counts_with_an_f1_of_zero() -> None:
    """F1 of a is 2 / (2 + 1), of b 1, of c 0."""
    seen = measured(table_of("aabb", "acbb"))
    assert seen.overall["macro_f1"].value == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_a_label_that_the_model_does_not_know_is_wrong_at_the_greatest_loss() -> None:
    seen = measured(table_of("aaz", "aab"))
    assert seen.labels == ("a", "b", "c", "z")
    assert seen.confusion[3] == (0, 1, 0, 0)
    assert seen.overall["accuracy"].value == pytest.approx(2 / 3)
    expected = (-2 * math.log(0.8) - math.log(LOSS_FLOOR)) / 3
    assert seen.overall["average_loss"].value == pytest.approx(expected)


def test_labels_come_in_the_order_of_the_vocabulary_whatever_the_models_order() -> None:
    table = table_of("abc", "abc", classes="cab")
    assert measured(table, "abc").confusion == ((1, 0, 0), (0, 1, 0), (0, 0, 1))


def test_a_probability_of_zero_has_a_finite_loss() -> None:
    seen = measured(table_of("ab", "aa", sure=1.0))
    assert seen.overall["average_loss"].value == pytest.approx(-math.log(LOSS_FLOOR) / 2)


def test_ece_of_one_bin_is_the_gap_between_confidence_and_accuracy() -> None:
    assert measured(table_of("aabb", "abba", sure=0.9)).overall["ece"].value == pytest.approx(0.4)


def test_ece_is_the_mean_over_the_bins_by_their_counts() -> None:
    """Three examples at 0.9, all right: gap 0.1; one at 0.5, wrong: gap 0.5."""
    rows = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.5, 0.5]])
    table = PredictionTable(("1", "2", "3", "4"), ("a", "a", "a", "b"), ("a", "b"), rows)
    assert measured(table).overall["ece"].value == pytest.approx((3 * 0.1 + 0.5) / 4)


def test_gaps_in_opposite_directions_cancel_only_within_a_bin() -> None:
    rows = np.array([[0.6, 0.4], [0.6, 0.4], [0.95, 0.05], [0.95, 0.05]])
    labels = ("a", "a", "a", "b")
    table = PredictionTable(("1", "2", "3", "4"), labels, ("a", "b"), rows)
    assert measured(table).overall["ece"].value == pytest.approx((0.8 + 0.9) / 4)


@given(TABLES)
@settings(max_examples=20, deadline=None)
def test_the_bins_of_the_diagram_give_the_calibration_error(table: PredictionTable) -> None:
    bins = calibration(table)
    assert sum(each.count for each in bins) == len(table)
    error = sum(each.count * abs(each.accuracy - each.confidence) for each in bins) / len(table)
    assert measured(table).overall["ece"].value == pytest.approx(error)
    for each in bins:
        slack = 1e-12
        assert not each.count or each.low - slack <= each.confidence <= each.high + slack


def test_a_model_that_has_diverged_has_metrics_that_are_not_numbers() -> None:
    table = table_of("aabb", "aabb")
    probabilities = table.probabilities.copy()
    probabilities[1] = np.nan
    seen = measured(dataclasses.replace(table, probabilities=probabilities))
    assert math.isnan(seen.overall["average_loss"].value)
    assert math.isnan(seen.overall["ece"].value)
    assert seen.overall["accuracy"].value == 0.75
    assert seen.confusion[0] == (1, 0, 0)
    assert (seen.per_class[0].recall.value, seen.per_class[0].support) == (0.5, 2)
    assert calibration(dataclasses.replace(table, probabilities=probabilities))[11].count == 3


def test_the_true_calibration_error_of_a_calibrated_model_is_near_its_interval() -> None:
    """Labels are drawn from the probabilities, so that the truth is 0."""
    draw = np.random.default_rng(5)
    base = random_table(2000, 4, seed=6)
    drawn = (base.probabilities.cumsum(axis=1) < draw.random((2000, 1))).sum(axis=1)
    labels = tuple(base.classes[i] for i in drawn)
    seen = measured(dataclasses.replace(base, labels=labels)).overall["ece"]
    assert seen.value < 0.03
    assert seen.low < 0.01


def _answers(right: int, rows: int = 20) -> PredictionTable:
    """A table in which the first so many of the rows are right."""
    labels = tuple("no" if i % 2 else "yes" for i in range(rows))
    sure = [[0.9, 0.1] if label == "no" else [0.1, 0.9] for label in labels]
    answers = [each if i < right else each[::-1] for i, each in enumerate(sure)]
    ids = tuple(f"r{i}" for i in range(rows))
    return PredictionTable(ids, labels, ("no", "yes"), np.array(answers))


def test_a_model_that_is_always_right_on_few_rows_may_be_wrong_on_others() -> None:
    overall = score(_answers(20), ("no", "yes"), predictions_path="p", digest="d").overall
    assert overall["accuracy"].low == pytest.approx(0.839, abs=1e-3)
    assert overall["macro_f1"] == overall["accuracy"]


def test_a_model_that_is_always_wrong_on_few_rows_may_be_right_on_others() -> None:
    overall = score(_answers(0), ("no", "yes"), predictions_path="p", digest="d").overall
    assert overall["macro_f1"].value == 0
    assert overall["macro_f1"].high == pytest.approx(0.161, abs=1e-3)


def test_a_difference_is_paired_and_has_an_interval() -> None:
    change = differences(_answers(10), _answers(16))["accuracy"]
    assert change.value == pytest.approx(0.3)
    # Six of twenty rows differ, all in one direction: the difference is sure, which two intervals
    # of the values are not.
    assert 0 < change.low < 0.3 < change.high < 0.6
    before, after = (
        score(_answers(right), ("no", "yes"), predictions_path="p", digest="d").overall["accuracy"]
        for right in (10, 16)
    )
    assert before.high > after.low


def test_a_model_does_not_differ_from_itself() -> None:
    for change in differences(_answers(16), _answers(16)).values():
        assert (change.value, change.low, change.high) == (0, 0, 0)


def test_other_examples_have_no_difference() -> None:
    with pytest.raises(DataError, match="the same examples"):
        differences(_answers(10), _answers(10, rows=18))
