"""The candidate against the models that it would replace: the champion, and the reference.

The reference is the model that the best evidence so far supports. The champion moves by the
evidence of a night or three; the reference only by evidence that holds for a year of nights, or by
a person. Being held against it bounds what many small losses may add up to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

from components.artifacts.values import (
    ChampionMetrics,
    Comparison,
    IncomparableChampion,
    Look,
    Metrics,
    Past,
    RuleResult,
)
from components.evaluation import evidence
from components.evaluation.evidence import Sums
from components.evaluation.paired import paired, pairs_in_words
from components.evaluation.wording import NAMED_CLASSES, distinct
from components.gate_config import ChampionRule
from components.label_tasks import TASKS

_YEAR = evidence.YEARLY_ERROR / evidence.NIGHTS_A_YEAR
"""The level of one night for what must hold for a year."""


class Held(NamedTuple):
    """What came of it; see the fields of ``Decision``."""

    rules: tuple[RuleResult, ...]
    notes: tuple[str, ...] = ()
    moves_reference: bool = True
    look: Look | None = None


def hold_against(
    metrics: Metrics,
    champion: Comparison | None,
    reference: Comparison | None,
    past: Past,
    rule: ChampionRule,
) -> Held:
    """Applies the champion's rule and, where the reference is another version, its rule.

    The champion's is the last one: its reason ends the summary of a promotion.
    """
    decided = _without_comparison(champion, rule)
    if decided is not None:
        return Held((decided,), look=_look(metrics))
    assert isinstance(champion, ChampionMetrics)  # for the type checker: all else is decided
    retired, notes = _retired(reference, past, rule)
    beside = reference if isinstance(reference, ChampionMetrics) and not retired else None
    asked = evidence.levels(rule)
    sums = _sums(champion, past, metrics)
    against = _sums(beside, past, metrics) if beside else None
    verdict = evidence.judge(sums, against, asked)
    if rule.promote_if == "significantly_better":
        rules = [_margin(beside, verdict, past, metrics, rule)] if beside else []
        rules.append(_moved(champion, sums, verdict, past, rule))
    else:
        rules = [_not_worse("reference", beside, rule)] if beside else []
        rules.append(_not_worse("champion", champion, rule))
        # Many nights that are each a little behind would else add up to what one night can see.
        rules[0] = _not_behind(rules[0], against or sums, asked.margin)
    moves = bool(retired) or bool(verdict.better_than_reference)
    return Held(tuple(rules), notes, moves, _look(metrics, champion, beside))


def _without_comparison(champion: Comparison | None, rule: ChampionRule) -> RuleResult | None:
    if champion is None:
        return RuleResult("champion", True, None, "no champion yet", "no champion yet")
    # Before any comparison, in which a model that was reused would tie with itself.
    if champion.same_model:
        reason = f"the candidate is the champion (version {champion.version}): nothing to compare"
        return RuleResult("champion", True, None, "the same model", reason)
    if champion.rolled_back:
        reason = "a person turned this very model down; `rnnflow promote` overrules that"
        return RuleResult("champion", False, None, "not rolled back", reason)
    if rule.promote_if == "always":
        reason = f"not compared with champion version {champion.version} (promote_if is always)"
        return RuleResult("champion", True, None, "not compared", reason)
    if isinstance(champion, IncomparableChampion):
        return _not_comparable(champion, rule)
    return None


def _not_comparable(champion: IncomparableChampion, rule: ChampionRule) -> RuleResult:
    passed = rule.if_not_comparable == "bounds_alone"
    follows = "the other rules decide, as" if passed else "the champion stays, as"
    reason = (
        f"cannot be compared with champion version {champion.version}: {champion.reason}; "
        f"{follows} gate.champion.if_not_comparable is {rule.if_not_comparable}"
    )
    return RuleResult("champion.comparable", passed, None, "comparable", reason)


def _retired(
    reference: Comparison | None, past: Past, rule: ChampionRule
) -> tuple[bool, tuple[str, ...]]:
    """Whether the reference is no longer held against candidates, and a note that says why."""
    days, most = past.reference_days, rule.retire_reference_after_days
    why = ""
    if past.reference_missing:
        why = past.reference_missing
    elif isinstance(reference, IncomparableChampion):
        why = f"version {reference.version} cannot be compared with: {reference.reason}"
    elif reference is not None and days > most:
        why = (
            f"version {reference.version} became it {days:,.0f} days ago, and "
            f"gate.champion.retire_reference_after_days is {most}"
        )
    if not why:
        return False, ()
    text = "The reference is retired: {}. The next model that is promoted becomes the reference."
    return True, (text.format(why),)


def _sums(compared: ChampionMetrics, past: Past, metrics: Metrics) -> tuple[Sums, Sums]:
    tonight = evidence.evidence_of(compared)
    before = evidence.nights_before(past.looks, tonight, metrics.test_rows)
    return evidence.together(tonight, before)


def _moved(
    champion: ChampionMetrics,
    sums: tuple[Sums, Sums],
    verdict: evidence.Verdict,
    past: Past,
    rule: ChampionRule,
) -> RuleResult:
    """The rule that takes evidence, or a champion that is old enough."""
    name, most = f"champion version {champion.version}", rule.promote_when_older_than_days
    is_old = most is not None and past.champion_days > most
    within, asked = bool(verdict.within_margin_of_champion), evidence.levels(rule)
    needs_better = not is_old and not (verdict.better and not within)
    margin, alpha = (0.0, rule.alpha) if needs_better else (asked.margin, _YEAR)
    p = evidence.p_value(evidence.standard_errors(sums[1], margin))
    bound = f"p at most {alpha:.2g}"
    points = f"{rule.margin_points:g} point{'' if rule.margin_points == 1 else 's'}"
    if verdict.better and within:
        text = f"significantly better than {name}"
    elif is_old and within:
        text = f"{name} serves for more than {most} days, and it is within {points} of that"
    elif verdict.better:
        text = f"better than {name}, but a loss of more than {points} is not ruled out"
    elif is_old:
        text = (
            f"{name} serves for more than {most} days, but a loss of more than {points} is not "
            "ruled out"
        )
    else:
        text = f"no evidence that it is better than {name}"
    passed = within and (bool(verdict.better) or is_old)
    lead = "" if passed else _lead(sums[1], asked, is_old)
    tested = f"(paired test{_nights(sums)}, p = {distinct(p, alpha)[0]})"
    reason = f"{text}: {_counts(champion, 'the champion')} {tested}{lead}"
    return RuleResult("champion", passed, p, bound, reason + _unknown_labels(champion))


def _margin(
    reference: ChampionMetrics,
    verdict: evidence.Verdict,
    past: Past,
    metrics: Metrics,
    rule: ChampionRule,
) -> RuleResult:
    """The rule that bounds what small losses may add up to."""
    sums, passed = _sums(reference, past, metrics), bool(verdict.within_margin_of_reference)
    p = evidence.p_value(evidence.standard_errors(sums[1], rule.margin_points / 100))
    words = "a loss of more than {:g} point{} against reference version {} is {}ruled out".format(
        rule.margin_points, "" if rule.margin_points == 1 else "s", reference.version,
        "" if passed else "not ",
    )  # fmt: skip
    tested = f"(paired test{_nights(sums)}, p = {distinct(p, _YEAR)[0]})"
    reason = f"{words}: {_counts(reference, 'the reference')} {tested}"
    return RuleResult("reference", passed, p, f"p at most {_YEAR:.2g}", reason)


def _not_worse(kind: str, compared: ChampionMetrics, rule: ChampionRule) -> RuleResult:
    ours, theirs = compared.only_candidate_correct, compared.only_champion_correct
    passed, p, bound, text = paired(
        ours, theirs, "not_worse", rule.alpha, f"the {kind}", compared.paired_rows
    )
    reason = text.format(other=f"{kind} version {compared.version}") + _unknown_labels(compared)
    return RuleResult(kind, passed, p, bound, reason)


def _not_behind(rule: RuleResult, sums: tuple[Sums, Sums], margin: float) -> RuleResult:
    """The rule of the reference, or of the champion that is it: fails also behind the margin."""
    behind = -min(each.total / each.rows for each in sums)
    if not rule.passed or behind <= margin:
        return rule
    words = f"; but it is behind by {100 * behind:.2g} points, more than {100 * margin:g}"
    return dataclasses.replace(rule, passed=False, reason=rule.reason + words)


def _counts(compared: ChampionMetrics, other: str) -> str:
    ours, theirs = compared.only_candidate_correct, compared.only_champion_correct
    return pairs_in_words(ours, theirs, other, compared.paired_rows)


def _nights(sums: tuple[Sums, Sums]) -> str:
    own, everything = sums
    more = everything.rows - own.rows
    return f" with {more:,} rows of the nights before" if more else ""


def _lead(sums: Sums, asked: evidence.Levels, is_old: bool) -> str:
    """What would be enough, as a person can see it."""
    points = 100 * sums.total / sums.rows
    size = f"{abs(points):.2g}"
    unit = "point" if size == "1" else "points"
    seen = f"it is {'ahead' if points >= 0 else 'behind'} by {size} {unit}"
    least = evidence.least_lead(sums, asked, is_old)
    if least >= sums.rows:
        return f"; {seen}, and on {sums.rows:,} rows no lead is enough"
    return f"; {seen} on {sums.rows:,} rows, and {100 * least / sums.rows:.2g} promote it"


def _look(metrics: Metrics, *compared: ChampionMetrics | None) -> Look | None:
    if metrics.test_rows is None:
        return None
    against = tuple(evidence.evidence_of(each) for each in compared if each)
    return Look(metrics.test_rows, metrics.digest, against)


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
    shown = ", ".join(f'"{label}"' for label in list(labels)[:NAMED_CLASSES])
    more = len(labels) - NAMED_CLASSES
    return f"label{'s' if len(labels) > 1 else ''} {shown}{f' and {more} more' if more > 0 else ''}"


def _wrong_on(count: int, what: str) -> str:
    if not count:
        return f"which no test {what} has"
    return f"and so is wrong on {count:,} test {what}{'s' if count > 1 else ''}"
