"""Every rule that can fail has advice that fits it."""

from __future__ import annotations

import pytest

from components.artifacts.values import RuleResult
from components.report.advice import advice


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
    ],
)
def test_a_failed_rule_has_advice_that_names_where_to_act(name: str, part: str) -> None:
    assert part in advice(rule(name))


def test_a_rule_that_passed_needs_no_advice() -> None:
    assert advice(rule("accuracy.min", passed=True)) == ""
