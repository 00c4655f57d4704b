"""What to do about a rule of the gate that failed."""

from __future__ import annotations

from components.artifacts.values import RuleResult
from components.metrics import GENERAL_ADVICE, METRICS

_ADVICE = {
    "finite_metrics": (
        "Training has diverged: lower model.optimizer.learning_rate or set "
        "model.optimizer.clip_norm, and look for extreme values in the features."
    ),
    "min_examples": (
        "Add test rows, or raise data.test_fraction. Lower gate.min_examples only if wide "
        "intervals are acceptable."
    ),
    "per_class.min_support": (
        "Add test rows of these classes, or lower gate.per_class.min_support and accept that "
        "their quality is not known."
    ),
    "per_class": (
        "See in the confusion matrix what these classes are confused with, check some of those "
        "rows and their labels, and add training rows of these classes."
    ),
    "champion.comparable": (
        "The champion stays. If it is to be replaced, as after a change of the features that is "
        "meant, set gate.champion.if_not_comparable: bounds_alone for that run, or promote this "
        "version by hand with `rnnflow promote`."
    ),
    "champion": (
        "The champion stays. Improve the candidate and run again; more test examples make the "
        "comparison sharper. gate.champion.promote_if says what is required."
    ),
}


def advice(rule: RuleResult) -> str:
    """What to do about a rule that failed; empty for one that passed."""
    if rule.passed:
        return ""
    subject = rule.rule.partition(".")[0]
    if subject in METRICS:
        return METRICS[subject].advice
    return _ADVICE.get(rule.rule, _ADVICE.get(subject, GENERAL_ADVICE))
