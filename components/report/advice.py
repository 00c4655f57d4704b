"""What somebody can do about a rule of the gate that failed."""

from __future__ import annotations

from components.artifacts.values import RuleResult

_ADVICE = {
    "finite_metrics": (
        "Training has diverged: lower model.optimizer.learning_rate or set "
        "model.optimizer.clip_norm, and look for extreme values in the features."
    ),
    "min_examples": (
        "Add test rows, or raise data.test_fraction. Lower gate.min_examples only if wide "
        "intervals are acceptable."
    ),
    "ece": (
        "The model's probabilities do not match how often it is right; the reliability diagram "
        "shows where. Keep the checkpoint with the lowest loss "
        "(training.early_stopping_metric: average_loss), and check that the test rows are like "
        "the training rows."
    ),
    "per_class.min_support": (
        "Add test rows of these classes, or lower gate.per_class.min_support and accept that "
        "their quality is not known."
    ),
    "per_class": (
        "See in the confusion matrix what these classes are taken for, check some of those rows "
        "and their labels, and add training rows of these classes."
    ),
    "champion": (
        "The champion stays. Improve the candidate and run again; more test examples make the "
        "comparison sharper. gate.champion.promote_if says what is required."
    ),
}


def advice(rule: RuleResult) -> str:
    """What somebody can do about a rule that failed; empty for one that passed."""
    if rule.passed:
        return ""
    for prefix, text in _ADVICE.items():
        if rule.rule.startswith(prefix):
            return text
    return (
        "Look at the learning curves and at the confusion matrix: more training rows, more steps "
        "(training.max_steps) or a larger model (model.units) may help. Relax gate.bounds only "
        "if a weaker model is good enough."
    )
