"""Metrics of scores against labels."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import roc_auc_score

from rnn_core import ArgumentError
from rnn_core.heads.confusion import (
    check_thresholds,
    curve_metrics,
    curve_sums,
    decision_metrics,
    decision_sums,
    ratio,
    threshold_metrics,
    threshold_sums,
)
from tests.rnn_core.heads.samples import numbers

RANDOM = np.random.default_rng(3)
SCORES = RANDOM.uniform(size=(40, 1)).astype(np.float32)
LABELS = (RANDOM.uniform(size=(40, 1)) < SCORES).astype(np.float32)
WEIGHTS = RANDOM.uniform(size=(40, 1)).astype(np.float32)


def curves(scores: Any, labels: Any, weights: Any) -> dict[str, float]:
    sums = curve_sums(tf.constant(scores), tf.constant(labels), tf.constant(weights), "a/")
    return numbers(curve_metrics(sums, "a/"))


@pytest.mark.parametrize(("curve", "name"), [("ROC", "auc"), ("PR", "auc_precision_recall")])
def test_curves_agree_with_keras(curve: str, name: str) -> None:
    reference = keras.metrics.AUC(200, curve)
    reference.update_state(LABELS[:, 0], SCORES[:, 0], WEIGHTS[:, 0])
    assert curves(SCORES, LABELS, WEIGHTS)[name] == pytest.approx(
        float(reference.result()), rel=1e-5
    )


def test_the_area_is_that_of_all_pairs_if_scores_are_far_apart() -> None:
    scores = np.round(SCORES * 20) / 20
    expected = roc_auc_score(LABELS[:, 0], scores[:, 0])
    assert curves(scores, LABELS, np.ones_like(LABELS))["auc"] == pytest.approx(expected, abs=1e-6)


def test_the_curves_of_a_perfect_ranking_have_the_area_one() -> None:
    assert curves(LABELS, LABELS, WEIGHTS) == pytest.approx({"auc": 1, "auc_precision_recall": 1})


def test_a_score_on_a_threshold_is_not_above_it() -> None:
    labels = tf.constant([[1.0], [1.0], [0.0]])
    sums = threshold_sums([0.5], tf.constant([[0.5], [0.75], [0.75]]), labels, tf.ones([3, 1]))
    assert numbers(threshold_metrics([0.5], sums)) == {
        "accuracy/positive_threshold_0.5": pytest.approx(1 / 3),
        "precision/positive_threshold_0.5": 0.5,
        "recall/positive_threshold_0.5": 0.5,
    }


def test_a_weight_counts_for_every_class_of_its_row() -> None:
    labels = tf.constant([[1.0, 0.0], [0.0, 1.0]])
    decisions = tf.constant([[True, True], [False, False]])
    sums = decision_sums(decisions, labels, tf.constant([[3.0], [1.0]]), "")
    found = numbers(decision_metrics(sums, ""))
    assert found == {"accuracy": 0.5, "precision": 0.5, "recall": 0.75}


def test_nothing_to_divide_by_gives_zero() -> None:
    assert (ratio(1.0, 0.0), ratio(1.0, 2.0)) == (0, 0.5)


@pytest.mark.parametrize("thresholds", [[0.0], [0.5, 1.0], [-0.1], [2]])
def test_thresholds_lie_between_zero_and_one(thresholds: Any) -> None:
    with pytest.raises(ArgumentError, match=r"thresholds: expected numbers in \(0, 1\)"):
        check_thresholds(thresholds)
    assert check_thresholds([0.25]) == (0.25,)
    assert check_thresholds(None) == ()
