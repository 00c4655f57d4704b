"""Every rule that can fail has advice that fits it."""

from __future__ import annotations

import dataclasses

import pytest

from components.artifacts.history import HistoryPoint
from components.artifacts.training_facts import TrainingFacts
from components.artifacts.values import RuleResult
from components.config import TrainingConfig
from components.report.advice import advice, training_advice


def rule(name: str, *, passed: bool = False) -> RuleResult:
    return RuleResult(name, passed, 0.5, "at least 0.9", "accuracy 0.5 is below the minimum 0.9")


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("finite_metrics", "model.optimizer.learning_rate"),
        ("min_examples", "gate.min_examples"),
        ("accuracy.min", "gate.bounds"),
        ("macro_f1.min", "gate.bounds"),
        ("average_loss.max", "gate.bounds"),
        ("ece.max", "reliability diagram"),
        ("per_class.min_support", "gate.per_class.min_support"),
        ("per_class.min_recall", "confusion matrix"),
        ("per_class.min_precision", "confusion matrix"),
        ("champion.comparable", "gate.champion.if_not_comparable"),
        ("champion", "gate.champion.promote_if"),
        ("reference", "gate.champion.margin_points"),
        ("slices.customer: A.accuracy.min", "gate.slices"),
        ("slices.customer: A.champion", "gate.slices"),
    ],
)
def test_a_failed_rule_has_advice_that_names_where_to_act(name: str, part: str) -> None:
    assert part in advice(rule(name))


def test_a_rule_that_passed_needs_no_advice() -> None:
    assert advice(rule("accuracy.min", passed=True)) == ""


BY_LOSS, BY_ACCURACY = TrainingConfig(), TrainingConfig(early_stopping_metric="accuracy")


def curve(metric: str, *values: float) -> tuple[HistoryPoint, ...]:
    return tuple(
        HistoryPoint(10 * number, 0, {f"validation/{metric}": value})
        for number, value in enumerate(values, 1)
    )


def facts(chosen_step: int = 50, accuracy: float | None = None, rows: int = 100) -> TrainingFacts:
    return TrainingFacts(1.0, 10, chosen_step, accuracy, rows)


def test_a_curve_that_falls_and_comes_to_rest_or_turns_needs_no_advice() -> None:
    at_rest = curve("average_loss", 2.0, 1.0, 0.8, 0.75, 0.74)
    turned = curve("average_loss", 2.0, 1.0, 0.8, 0.9, 1.0)
    assert training_advice(at_rest, BY_LOSS, facts()) == ()
    assert training_advice(turned, BY_LOSS, facts()) == ()


@pytest.mark.parametrize(("last_accuracy", "is_told"), [(0.9, False), (0.7, True)])
def test_a_network_that_is_only_too_certain_is_left_to_the_temperature(
    last_accuracy: float, is_told: bool
) -> None:
    points = (
        *curve("average_loss", 1.0, 1.2, 1.3, 1.1, 1.4),
        *curve("accuracy", 0.8, 0.8, 0.7, 0.75, last_accuracy),
    )
    scaled = dataclasses.replace(BY_LOSS, temperature_scaling=True)
    told = [
        each for each in training_advice(points, scaled, facts()) if "best at the first" in each
    ]
    assert bool(told) is is_told


@pytest.mark.parametrize(
    ("points", "training"),
    [
        (curve("average_loss", 1.0, 1.2, 1.3, 1.1, 1.4), BY_LOSS),
        (curve("accuracy", 0.8, 0.8, 0.7, 0.75, 0.8), BY_ACCURACY),
    ],
)
def test_the_first_evaluation_as_the_best_one_says_that_training_is_too_fast(
    points: tuple[HistoryPoint, ...], training: TrainingConfig
) -> None:
    (sentence,) = training_advice(points, training, facts())
    assert "best at the first evaluation, step 10," in sentence
    assert "model.optimizer.learning_rate" in sentence


@pytest.mark.parametrize(
    ("points", "training"),
    [
        (curve("average_loss", 2.0, 1.8, 1.6, 1.4, 1.2), BY_LOSS),
        (curve("accuracy", 0.4, 0.5, 0.6, 0.7, 0.8), BY_ACCURACY),
    ],
)
def test_a_curve_that_still_gets_better_at_its_end_says_that_training_is_too_short(
    points: tuple[HistoryPoint, ...], training: TrainingConfig
) -> None:
    (sentence,) = training_advice(points, training, facts())
    assert "best at the last evaluation, step 50," in sentence
    assert "training.max_epochs" in sentence


def test_of_a_few_evaluations_nothing_is_said() -> None:
    assert training_advice(curve("average_loss", 1.0, 1.2, 1.3), BY_LOSS, facts(30)) == ()


def test_rows_that_were_learned_by_heart_are_told_where_it_is_no_chance() -> None:
    points = curve("accuracy", 0.5, 0.6, 0.8)
    (sentence,) = training_advice(points, BY_LOSS, facts(30, accuracy=0.99))
    assert "99 % of the training rows, but on 80 % of 100 rows" in sentence
    assert "model.dropout" in sentence
    # Of 20 rows as many may be wrong by chance, and the fit at another step was not measured.
    assert training_advice(points, BY_LOSS, facts(30, accuracy=0.95, rows=20)) == ()
    assert training_advice(points, BY_LOSS, facts(20, accuracy=0.65)) == ()
    assert training_advice(points, BY_LOSS, facts(30)) == ()
