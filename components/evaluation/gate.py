"""metrics -> decision: may this model be promoted?

Pure: numbers in, a Decision out. Every rule that the config sets is listed with its value, its
bound and a sentence why, whether it passed or not. A value that is not a number passes no rule.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

from pydantic import TypeAdapter

from components.artifacts.values import (
    BaselineMetrics,
    ChampionMetrics,
    ClassMetrics,
    Comparison,
    Decision,
    Look,
    Metrics,
    Past,
    RuleResult,
    Slices,
)
from components.evaluation.bounds import bound_rules
from components.evaluation.incumbents import hold_against
from components.evaluation.paired import mcnemar_worse, paired, pairs_in_words, tested
from components.evaluation.slice_rules import slice_notes, slice_rules
from components.evaluation.wording import NAMED_CLASSES, distinct, finite
from components.gate_config import BaselineRule, GateConfig, PerClassFloor
from components.label_tasks import TASKS
from components.metrics import METRICS

__all__ = ["decide", "decision_to_json", "mcnemar_worse"]


def decide(
    metrics: Metrics,
    champion_metrics: Comparison | None,
    gate: GateConfig,
    baseline: BaselineMetrics | None = None,
    reference_metrics: Comparison | None = None,
    past: Past = Past(),  # noqa: B008  (it is frozen)
    slices: Slices | None = None,
) -> Decision:
    """Applies the gate's rules to the metrics.

    Args:
        metrics: the candidate on the test split.
        champion_metrics: the champion on the same examples, or why it cannot answer them; None as
            long as there is no champion.
        gate: the rules.
        baseline: a cheap model on the same examples; None if there is none for them.
        reference_metrics: the reference on the same examples; None where the champion is it.
        past: the nights before.
        slices: both on parts of the same examples; None where ``gate.slices`` is empty.

    Returns:
        A decision that promotes if, and only if, each of its rules passed.
    """
    if gate.compare_by == "expected_cost":
        champion_metrics, reference_metrics = map(_by_cost, (champion_metrics, reference_metrics))
        baseline = baseline and _baseline_by_cost(baseline)
    held = hold_against(metrics, champion_metrics, reference_metrics, past, gate.champion)
    rules = (
        _finite_metrics(metrics),
        _min_examples(metrics.examples, gate.min_examples),
        *bound_rules(metrics.overall, gate.bounds, len(metrics.labels)),
        *_per_class(metrics.per_class, gate.per_class),
        *_baseline(baseline, gate.baseline),
        *slice_rules(slices, metrics, champion_metrics, gate),
        *held.rules,
    )
    promoted = all(rule.passed for rule in rules)
    champion = None if champion_metrics is None else champion_metrics.version
    unchanged = promoted and champion_metrics is not None and champion_metrics.same_model
    needs_approval = gate.promotion == "manual" and promoted and not unchanged
    candidates = _candidates(held.look, past)
    return Decision(
        promoted=promoted,
        reason=_unchanged(champion, len(rules)) if unchanged else _summary(rules, needs_approval),
        rules=rules,
        champion_version=champion,
        unchanged=unchanged,
        notes=(
            *_idle_bound(metrics, gate),
            *_as_good_as_baseline(baseline, gate.baseline),
            *held.notes,
            *slice_notes(slices, gate),
            *_worn_rows(candidates, metrics.examples, gate.most_candidates_per_test_split),
        ),
        moves_reference=held.moves_reference,
        look=held.look,
        candidates_on_these_rows=candidates,
        needs_approval=needs_approval,
    )


def decision_to_json(decision: Decision) -> str:
    """The decision as indented JSON."""
    return TypeAdapter(Decision).dump_json(decision, indent=2).decode() + "\n"


def _by_cost(compared: Comparison | None) -> Comparison | None:
    """The comparison of the answers' costs in the place of that of right and wrong ones."""
    if not isinstance(compared, ChampionMetrics):
        return compared
    return dataclasses.replace(compared, paired_rows=compared.paired_costs)


def _baseline_by_cost(baseline: BaselineMetrics) -> BaselineMetrics:
    pairs = dataclasses.replace(baseline.pairs, rows=baseline.pairs.costs)
    return dataclasses.replace(baseline, pairs=pairs)


def _finite_metrics(metrics: Metrics) -> RuleResult:
    bad = [
        METRICS[key].label for key, seen in metrics.overall.items() if not math.isfinite(seen.value)
    ]
    reason = "not a number: " + ", ".join(bad) if bad else "all metrics are finite numbers"
    return RuleResult("finite_metrics", not bad, None, "finite numbers", reason)


def _min_examples(examples: int, least: int) -> RuleResult:
    passed = examples >= least
    text = f"{examples:,} test examples are " + (
        f"enough (at least {least:,})" if passed else f"fewer than the {least:,} required"
    )
    return RuleResult("min_examples", passed, float(examples), f"at least {least:,}", text)


def _idle_bound(metrics: Metrics, gate: GateConfig) -> Iterator[str]:
    """A note if a model that always names the commonest label would pass the bounds.

    For the share p of that label among K labels it reaches the accuracy p and the macro-F1
    2 p / (1 + p) / K: the precision of the one label that it names is p, the recall 1.
    """
    support = [sum(row) for row in metrics.confusion]
    if not any(support):
        return
    share = max(support) / sum(support)
    macro_f1 = 2 * share / (1 + share) / sum(map(bool, support))
    constant = {"accuracy": share, "macro_f1": macro_f1}
    least = {key: bound.min for key, bound in gate.bounds.items() if bound.min is not None}
    stops_it = any(least[key] > constant[key] for key in constant if key in least)
    if "accuracy" in least and not stops_it:
        label = metrics.labels[support.index(max(support))]
        answers = TASKS[metrics.task].answers
        yield (
            f"gate.bounds.accuracy.min = {least['accuracy']:g} stops no model that answers nothing "
            f"but the commonest label: always {label!r} is right for {share:.4g} of the test "
            f"{answers}. Raise it above that, or bound macro_f1, of which such answers reach "
            f"{macro_f1:.3g}."
        )


def _per_class(classes: Sequence[ClassMetrics], floor: PerClassFloor) -> Iterator[RuleResult]:
    """A floor of 0 holds for every class, so it makes no rule.

    Of a class without test examples no recall and no precision is known: ``min_support`` alone
    decides whether that may be.
    """
    measured = [each for each in classes if each.support]
    if floor.min_support:
        support = [(float(each.support), each.label) for each in classes]
        yield _floor("min_support", support, floor.min_support, "test examples")
    if floor.min_recall:
        recall = [(each.recall.value, each.label) for each in measured]
        yield _floor("min_recall", recall, floor.min_recall, "recall")
    if floor.min_precision:
        precision = [(each.precision.value, each.label) for each in measured]
        yield _floor("min_precision", precision, floor.min_precision, "precision")


def _floor(rule: str, values: Sequence[tuple[float, str]], floor: float, words: str) -> RuleResult:
    """``values`` are those of the classes, with their labels."""
    # NaN compares as neither: as -inf it is the lowest, and below every floor.
    ordered = sorted((-math.inf if math.isnan(value) else value, label) for value, label in values)
    below = [(value, label) for value, label in ordered if value < floor]
    bound = f"at least {floor:.4g}"
    lowest, label = ordered[0] if ordered else (-math.inf, "")
    if below:
        named = ", ".join(
            f'"{label}" ({distinct(value, floor)[0] if math.isfinite(value) else "not a number"})'
            for value, label in below[:NAMED_CLASSES]
        )
        more = len(below) - NAMED_CLASSES
        reason = (
            f"{words} below {floor:.4g} in {len(below)} of {len(ordered)} classes: {named}"
            f"{f' and {more} more' if more > 0 else ''}"
        )
    elif ordered:
        reason = f'{words} {bound} in every class (lowest: {lowest:.4g} in "{label}")'
    else:
        reason = "there are no classes"
    passed = bool(ordered) and not below
    return RuleResult(f"per_class.{rule}", passed, finite(lowest), bound, reason)


def _baseline(baseline: BaselineMetrics | None, rule: BaselineRule) -> Iterator[RuleResult]:
    if baseline is None or rule.require == "report_only":
        return
    ours, theirs = baseline.pairs.only_candidate_correct, baseline.pairs.only_other_correct
    passed, p, bound, text = paired(
        ours, theirs, rule.require, rule.alpha, "the baseline", baseline.pairs.rows
    )
    reason = text.format(other=f"the baseline, {baseline.label}")
    yield RuleResult("baseline", passed, p, bound, reason)


def _as_good_as_baseline(baseline: BaselineMetrics | None, rule: BaselineRule) -> Iterator[str]:
    """A note if the model is not better than a cheap one beyond doubt."""
    if baseline is None:
        return
    pairs = baseline.pairs
    better, worse, test = tested(pairs.only_candidate_correct, pairs.only_other_correct, pairs.rows)
    if better <= rule.alpha:
        return
    words, p = "is not significantly better than", better
    if worse <= rule.alpha:
        words, p = "is significantly worse than", worse
    ours, theirs = distinct(pairs.candidate_accuracy, pairs.other_accuracy)
    found = f"accuracy {ours} and {theirs}"
    if pairs.rows and pairs.rows.costs_digest:
        only = pairs.only_candidate_correct, pairs.only_other_correct
        found = pairs_in_words(*only, "the cheap model", pairs.rows)
    answers = TASKS[baseline.metrics.task].answers
    yield (
        f"The model {words} {baseline.label}, which trains in seconds: {found} "
        f"on the same {pairs.examples:,} test {answers} ({test}, p = {p:.2g}). See "
        "whether features.summaries, more steps or more rows help; if not, the cheap model may be "
        "all that these rows need."
    )


def _candidates(look: Look | None, past: Past) -> int:
    """How many candidates were held against these very rows, with this one."""
    if look is None:
        return 1
    seen = {each.predictions for each in past.looks if each.rows.digest == look.rows.digest}
    return len(seen | {look.predictions})


def _worn_rows(candidates: int, rows: int, most: int) -> Iterator[str]:
    if candidates > most:
        yield (
            f"{candidates:,} candidates have been held against these very {rows:,} test rows; "
            f"gate.most_candidates_per_test_split is {most:,}, as the best of so many looks better "
            "than it is. Test on rows that came since: data.split.time takes the newest rows for "
            "the test, or give a newer file as data.test."
        )


def _summary(rules: Sequence[RuleResult], needs_approval: bool) -> str:
    failed = [rule.reason for rule in rules if not rule.passed]
    if failed:
        return f"Refused: {len(failed)} of {len(rules)} rules failed: " + "; ".join(failed) + "."
    word = "Proposed" if needs_approval else "Promoted"
    waits = "; it waits for a person, as gate.promotion is manual" if needs_approval else ""
    return f"{word}: all {len(rules)} rules passed; {rules[-1].reason}{waits}."


def _unchanged(champion: int | None, rules: int) -> str:
    return (
        f"Unchanged: this very model is version {champion}, the champion already; "
        f"all {rules} rules still hold."
    )
