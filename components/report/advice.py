"""What to do about a rule of the gate that failed, and about a training that could be better."""

from __future__ import annotations

import math

from components.artifacts.history import HistoryPoint, series
from components.artifacts.training_facts import TrainingFacts
from components.artifacts.values import RuleResult
from components.config import TrainingConfig
from components.metrics import GENERAL_ADVICE, METRICS

_LEAST_EVALUATIONS = 5
"""Of fewer, the first or the last is often the best by chance."""
_LAST_PART = 0.8
"""A curve is judged by what it gains behind this part of the training."""
_STILL_FALLING = 0.05
"""A loss that falls by this share in the last part has not come to rest."""
_LEARNED_BY_HEART = 0.1
"""How much more often a model may be right on its training rows than on others."""

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
        "comparison sharper, and `rnnflow gate --power` says how many are needed. "
        "gate.champion.promote_if says what is required."
    ),
    "slices": (
        "See in the report which rows of these slices are wrong, and check their labels; more "
        "training rows like them help most. Relax the rules of gate.slices only if a weaker model "
        "is good enough there."
    ),
    "reference": (
        "The champion stays: the candidate must not fall behind the model that the best evidence "
        "so far supports. More test examples make the comparison sharper; "
        "gate.champion.margin_points is the loss that must be ruled out."
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


def training_advice(
    history: tuple[HistoryPoint, ...], training: TrainingConfig, facts: TrainingFacts
) -> tuple[str, ...]:
    """What the learning curve and the accuracy in training say of the config; one sentence each.

    Args:
        history: of the training.
        training: its settings.
        facts: what else is known of it.
    """
    name = training.early_stopping_metric
    steps, values = series(history, f"validation/{name}")
    accuracies = dict(zip(*series(history, "validation/accuracy"), strict=True))
    found: list[str] = []
    # A loss that rises while the accuracy does not fall is that of a network which is too certain:
    # the temperature mends that.
    is_mended = (
        training.temperature_scaling
        and name == "average_loss"
        and bool(accuracies)
        and accuracies[max(accuracies)] >= accuracies[min(accuracies)]
    )
    if len(steps) >= _LEAST_EVALUATIONS:
        found += _of_curve(steps, values, name, is_mended)
    held_out = accuracies.get(facts.chosen_step) if facts.chosen_step is not None else None
    if held_out is not None and facts.training_accuracy is not None and facts.held_out_rows:
        gap = facts.training_accuracy - held_out
        # Three standard errors of the accuracy on so few rows: chance alone says it very seldom.
        noise = 3 * math.sqrt(held_out * (1 - held_out) / facts.held_out_rows)
        if gap > max(_LEARNED_BY_HEART, noise):
            found.append(
                f"Right on {100 * facts.training_accuracy:.3g} % of the training rows, but on "
                f"{100 * held_out:.3g} % of {facts.held_out_rows:,} rows that were held out: it "
                "has learned rows by heart. More training rows help most; so may more "
                "model.dropout.representation or model.optimizer.weight_decay, and fewer "
                "model.units."
            )
    return tuple(found)


def _of_curve(steps: list[int], values: list[float], name: str, is_mended: bool) -> list[str]:
    sign = 1.0 if METRICS[name].higher_is_better else -1.0
    # Of equal ones the earliest, as the best checkpoint is.
    best = max(range(len(values)), key=lambda i: (sign * values[i], -i))
    label = METRICS[name].label
    if best == 0 and is_mended:
        return []
    if best == 0:
        return [
            f"The validation split's {label} was best at the first evaluation, step "
            f"{steps[0]:,}, and never again: training went too far or too fast. Lower "
            "model.optimizer.learning_rate, evaluate more often "
            "(training.evaluate_every_steps), or raise model.dropout.representation."
        ]
    if best < len(values) - 1:
        return []
    before = [
        value for step, value in zip(steps, values, strict=True) if step <= _LAST_PART * steps[-1]
    ]
    # Where the learning rate has fallen to 0 the last is often the best, by next to nothing.
    known = max(before, key=lambda value: sign * value, default=values[-1])
    if sign * (values[-1] - known) <= _STILL_FALLING * abs(known):
        return []
    return [
        f"The validation split's {label} was best at the last evaluation, step {steps[-1]:,}, and "
        f"still getting better ({known:.3g} to {values[-1]:.3g} in the last fifth): train longer "
        "(training.max_epochs or training.max_steps), or raise model.optimizer.learning_rate."
    ]
