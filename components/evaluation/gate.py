"""metrics -> decision: may this model be promoted?

Pure: numbers in, a Decision out. Every rule that the config sets is listed with its value, its
bound and a sentence why, whether it passed or not. A value that is not a number passes no rule.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from pydantic import TypeAdapter

from components.artifacts.values import (
    BaselineMetrics,
    ChampionMetrics,
    ClassMetrics,
    Comparison,
    Decision,
    IncomparableChampion,
    Interval,
    Metrics,
    PairedRows,
    RuleResult,
)
from components.gate_config import BaselineRule, ChampionRule, GateConfig, PerClassFloor
from components.label_tasks import TASKS
from components.metrics import METRICS

_NAMED_CLASSES = 3
"""The most classes that a reason names."""


def decide(
    metrics: Metrics,
    champion_metrics: Comparison | None,
    gate: GateConfig,
    baseline: BaselineMetrics | None = None,
) -> Decision:
    """Applies the gate's rules to the metrics.

    Args:
        metrics: the candidate on the test split.
        champion_metrics: the champion on the same examples, or why it cannot answer them; None as
            long as there is no champion.
        gate: the rules.
        baseline: a cheap model on the same examples; None if there is none for them.

    Returns:
        A decision that promotes if, and only if, each of its rules passed.
    """
    # The champion's rule is the last one: its reason ends the summary of a promotion.
    rules = (
        _finite_metrics(metrics),
        _min_examples(metrics.examples, gate.min_examples),
        *_bounds(metrics, gate),
        *_per_class(metrics.per_class, gate.per_class),
        *_baseline(baseline, gate.baseline),
        _champion(champion_metrics, gate.champion),
    )
    promoted = all(rule.passed for rule in rules)
    champion = None if champion_metrics is None else champion_metrics.version
    unchanged = promoted and champion_metrics is not None and champion_metrics.same_model
    return Decision(
        promoted=promoted,
        reason=_unchanged(champion, len(rules)) if unchanged else _summary(rules),
        rules=rules,
        champion_version=champion,
        unchanged=unchanged,
        notes=(*_idle_bound(metrics, gate), *_as_good_as_baseline(baseline, gate.baseline)),
    )


def decision_to_json(decision: Decision) -> str:
    """The decision as indented JSON."""
    return TypeAdapter(Decision).dump_json(decision, indent=2).decode() + "\n"


def mcnemar_worse(only_candidate_correct: int, only_champion_correct: int) -> float:
    """One-sided exact McNemar test that the candidate is worse than the champion.

    If both were equally good, each example on which exactly one of them is right would fall to
    either side like a fair coin. The p-value is the chance that the candidate then wins as few
    of these examples as it did, or fewer: sum over i <= b of C(b + c, i) / 2^(b + c), where b and
    c are the two arguments (Q. McNemar, Psychometrika 12, 1947, with the exact binomial tail).

    The test that the candidate is better is the same with the two arguments swapped.
    """
    trials = only_candidate_correct + only_champion_correct
    # In whole numbers, which are exact: term is C(n, i), made from C(n, i - 1), and tail their sum.
    term = tail = 1
    for i in range(only_candidate_correct):
        term = term * (trials - i) // (i + 1)
        tail += term
    return tail / (1 << trials)


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


def _bounds(metrics: Metrics, gate: GateConfig) -> Iterator[RuleResult]:
    for key, bound in gate.bounds.items():
        seen = metrics.overall.get(key)
        if seen is None:
            end = "max" if bound.min is None else "min"
            yield RuleResult(
                f"{key}.{end}", False, None, "two labels",
                f"{METRICS[key].label} is measured of two labels, with test examples of each, and "
                f"there are {len(metrics.labels):,} labels; bound macro_f1 in its place",
            )  # fmt: skip
            continue
        if bound.min is not None:
            words = ("at least", "below the minimum")
            yield _limit(key, "min", seen, bound.min, seen.value >= bound.min, words)
        if bound.max is not None:
            words = ("at most", "above the maximum")
            yield _limit(key, "max", seen, bound.max, seen.value <= bound.max, words)


def _limit(
    key: str, end: str, seen: Interval, limit: float, passed: bool, words: tuple[str, str]
) -> RuleResult:
    rule, name = f"{key}.{end}", METRICS[key].label
    bound = f"{words[0]} {limit:.4g}"
    if math.isnan(seen.value):
        return RuleResult(rule, False, None, bound, f"{name} is not a number")
    value, limit_text = _distinct(seen.value, limit)
    # The interval decides nothing: a bound is a promise about the value. It tells the reader
    # whether another test split might have passed.
    noise = not passed and seen.low <= limit <= seen.high
    reason = (
        f"{name} {value} is {words[0] if passed else words[1]} {limit_text} "
        f"(95 % interval {seen.low:.4g} to {seen.high:.4g}"
        f"{', so the shortfall may be chance' if noise else ''})"
    )
    return RuleResult(rule, passed, _number(seen.value), bound, reason)


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
            f'"{label}" ({_distinct(value, floor)[0] if math.isfinite(value) else "not a number"})'
            for value, label in below[:_NAMED_CLASSES]
        )
        more = len(below) - _NAMED_CLASSES
        reason = (
            f"{words} below {floor:.4g} in {len(below)} of {len(ordered)} classes: {named}"
            f"{f' and {more} more' if more > 0 else ''}"
        )
    elif ordered:
        reason = f'{words} {bound} in every class (lowest: {lowest:.4g} in "{label}")'
    else:
        reason = "there are no classes"
    passed = bool(ordered) and not below
    return RuleResult(f"per_class.{rule}", passed, _number(lowest), bound, reason)


def _baseline(baseline: BaselineMetrics | None, rule: BaselineRule) -> Iterator[RuleResult]:
    if baseline is None or rule.require == "report_only":
        return
    ours, theirs = baseline.pairs.only_candidate_correct, baseline.pairs.only_other_correct
    passed, p, bound, text = _paired(
        ours, theirs, rule.require, rule.alpha, "the baseline", baseline.pairs.rows
    )
    reason = text.format(other=f"the baseline, {baseline.label}")
    yield RuleResult("baseline", passed, p, bound, reason)


def _as_good_as_baseline(baseline: BaselineMetrics | None, rule: BaselineRule) -> Iterator[str]:
    """A note if the model is not better than a cheap one beyond doubt."""
    if baseline is None:
        return
    pairs = baseline.pairs
    better, worse, test = _tested(
        pairs.only_candidate_correct, pairs.only_other_correct, pairs.rows
    )
    if better <= rule.alpha:
        return
    words, p = "is not significantly better than", better
    if worse <= rule.alpha:
        words, p = "is significantly worse than", worse
    ours, theirs = _distinct(pairs.candidate_accuracy, pairs.other_accuracy)
    answers = TASKS[baseline.metrics.task].answers
    yield (
        f"The model {words} {baseline.label}, which trains in seconds: accuracy {ours} and "
        f"{theirs} on the same {pairs.examples:,} test {answers} ({test}, p = {p:.2g}). See "
        "whether features.summaries, more steps or more rows help; if not, the cheap model may be "
        "all that these rows need."
    )


def _champion(champion: Comparison | None, rule: ChampionRule) -> RuleResult:
    if champion is None:
        return RuleResult("champion", True, None, "no champion yet", "no champion yet")
    # Before any comparison, in which a model that was reused would tie with itself.
    if champion.same_model:
        reason = f"the candidate is the champion (version {champion.version}): nothing to compare"
        return RuleResult("champion", True, None, "the same model", reason)
    if champion.rolled_back:
        reason = "this very model was rolled back by a person; `rnnflow promote` overrules that"
        return RuleResult("champion", False, None, "not rolled back", reason)
    if rule.promote_if == "always":
        reason = f"not compared with champion version {champion.version} (promote_if is always)"
        return RuleResult("champion", True, None, "not compared", reason)
    if isinstance(champion, IncomparableChampion):
        return _not_comparable(champion, rule)
    return _compared(champion, rule)


def _not_comparable(champion: IncomparableChampion, rule: ChampionRule) -> RuleResult:
    passed = rule.if_not_comparable == "bounds_alone"
    follows = "the other rules decide, as" if passed else "the champion stays, as"
    reason = (
        f"cannot be compared with champion version {champion.version}: {champion.reason}; "
        f"{follows} gate.champion.if_not_comparable is {rule.if_not_comparable}"
    )
    return RuleResult("champion.comparable", passed, None, "comparable", reason)


def _compared(champion: ChampionMetrics, rule: ChampionRule) -> RuleResult:
    ours, theirs = champion.only_candidate_correct, champion.only_champion_correct
    require = "significantly_better" if rule.promote_if == "significantly_better" else "not_worse"
    passed, p, bound, text = _paired(
        ours, theirs, require, rule.alpha, "the champion", champion.paired_rows
    )
    reason = text.format(other=f"champion version {champion.version}") + _unknown_labels(champion)
    return RuleResult("champion", passed, p, bound, reason)


def _paired(
    ours: int, theirs: int, require: str, alpha: float, other: str, rows: PairedRows | None
) -> tuple[bool, float, str, str]:
    """Holds two models against each other by the examples on which exactly one of them is right.

    Args:
        ours: how often it is the candidate.
        theirs: how often it is the other one.
        require: ``significantly_better``, or that it is not significantly worse.
        alpha: the significance level.
        other: a short name of the other one.
        rows: where a row has many answers, what is tested instead of the two counts.

    Returns:
        Whether it passed, the p-value, the bound, and the reason with ``{other}`` for a long name.
    """
    # Better: that the other one alone is right so seldom is hardly chance. Not worse: that the
    # candidate alone is right so seldom may well be chance. So the burden of proof changes sides.
    better, worse, test = _tested(ours, theirs, rows)
    if require == "significantly_better":
        p = better
        passed, bound = p <= alpha, f"p at most {alpha:.4g}"
        verdict = "significantly better than" if passed else "not significantly better than"
    else:
        p = worse
        passed, bound = p > alpha, f"p above {alpha:.4g}"
        verdict = "not significantly worse than" if passed else "significantly worse than"
    if rows:
        pairs = _rows_apart(rows, other)
    else:
        pairs = (
            f"where exactly one of them is right, it is the candidate {_times(ours)} and {other} "
            f"{_times(theirs)}"
            if ours or theirs
            else "both are right on the same examples"
        )
    p_text = _distinct(p, alpha)[0]
    return passed, p, bound, f"{verdict} {{other}}: {pairs} ({test}, p = {p_text})"


def _tested(ours: int, theirs: int, rows: PairedRows | None) -> tuple[float, float, str]:
    """The p-values that the candidate is better, and that it is worse; and the name of the test."""
    if rows:
        return rows.p_better, rows.p_worse, "sign-flip permutation test of the rows"
    return mcnemar_worse(theirs, ours), mcnemar_worse(ours, theirs), "exact McNemar test"


def _rows_apart(rows: PairedRows, other: str) -> str:
    points = 100 * rows.mean_difference
    return (
        f"the share of a row's steps that are right differs by {points:+.3g} points on average; "
        f"the candidate is ahead on {_rows(rows.candidate_ahead)}, {other} on "
        f"{_rows(rows.other_ahead)}"
    )


def _unknown_labels(champion: ChampionMetrics) -> str:
    """What a reader must know of a comparison of models with other labels."""
    what = "example" if champion.metrics.task == "per_row" else TASKS[champion.metrics.task].answer
    parts = [
        f"; {who} does not know {_named(labels)}, {_wrong_on(sum(labels.values()), what)}"
        for who, labels in (
            ("the champion", champion.unknown_to_champion),
            ("the candidate", champion.unknown_to_candidate),
        )
        if labels
    ]
    return "".join(parts)


def _named(labels: Mapping[str, int]) -> str:
    shown = ", ".join(f'"{label}"' for label in list(labels)[:_NAMED_CLASSES])
    more = len(labels) - _NAMED_CLASSES
    return f"label{'s' if len(labels) > 1 else ''} {shown}{f' and {more} more' if more > 0 else ''}"


def _wrong_on(count: int, what: str) -> str:
    if not count:
        return f"which no test {what} has"
    return f"and so is wrong on {count:,} test {what}{'s' if count > 1 else ''}"


def _summary(rules: Sequence[RuleResult]) -> str:
    failed = [rule.reason for rule in rules if not rule.passed]
    if failed:
        return f"Refused: {len(failed)} of {len(rules)} rules failed: " + "; ".join(failed) + "."
    return f"Promoted: all {len(rules)} rules passed; {rules[-1].reason}."


def _unchanged(champion: int | None, rules: int) -> str:
    return (
        f"Unchanged: this very model is version {champion}, the champion already; "
        f"all {rules} rules still hold."
    )


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _times(count: int) -> str:
    return {0: "never", 1: "once"}.get(count, f"{count:,} times")


def _number(value: float) -> float | None:
    """JSON has no NaN and no infinity."""
    return float(value) if math.isfinite(value) else None


def _distinct(value: float, bound: float) -> tuple[str, str]:
    """Both as text, with enough digits that different numbers look different."""
    # 17 digits tell any two float64 apart.
    for digits in range(4, 17):
        texts = f"{value:.{digits}g}", f"{bound:.{digits}g}"
        if value == bound or texts[0] != texts[1]:
            return texts
    return repr(value), repr(bound)
