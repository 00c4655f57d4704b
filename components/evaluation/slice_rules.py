"""The slices in the gate: their bounds, and that the champion is not significantly better on them.

Many slices are many tests, and one of twenty equal candidates would fail on one of them by chance
at a level of 0.05. So the p-values of all slices that are compared are corrected together (S. Holm,
A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6,
1979): with p(1) <= ... <= p(m) in rising order, the adjusted one is

    q(i) = min(1, max over j <= i of (m - j + 1) p(j))

If a slice fails where q <= alpha, the chance that a candidate which is worse on none of them fails
on any is at most alpha, whatever ties the slices together: they may overlap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from components.artifacts.values import (
    ChampionMetrics,
    Comparison,
    Metrics,
    RuleResult,
    SliceMetrics,
    Slices,
)
from components.evaluation.bounds import bound_rules
from components.evaluation.paired import pairs_in_words, tested
from components.evaluation.wording import count_of_rows, distinct
from components.gate_config import GateConfig

_NAMED = 5
"""The most slices that a note names."""


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values after Holm's correction, in the order in which they came."""
    count = len(p_values)
    adjusted = [0.0] * count
    largest = 0.0
    for rank, index in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, (count - rank) * p_values[index])
        adjusted[index] = min(1.0, largest)
    return adjusted


def slice_rules(
    slices: Slices | None, metrics: Metrics, champion: Comparison | None, gate: GateConfig
) -> Iterator[RuleResult]:
    """The rules of all slices with enough rows, in the order of the slices."""
    judged = [each for each in slices.measured if _is_judged(each, gate)] if slices else []
    compared = _compared(judged, champion, gate)
    for each in judged:
        entry = gate.slices[each.entry]
        # Of two labels, and here is one alone: nothing is measured that could be out of bounds.
        bounds = {
            key: bound
            for key, bound in entry.bounds.items()
            if key in each.overall or key not in metrics.overall
        }
        for rule in bound_rules(each.overall, bounds, len(metrics.labels)):
            yield _of_slice(each, rule)
        if rule_of_champion := compared.get(each.name):
            yield rule_of_champion


def slice_notes(slices: Slices | None, gate: GateConfig) -> Iterator[str]:
    """What a person should know of slices that no rule speaks of."""
    if slices is None:
        return
    for index, entry in enumerate(gate.slices):
        found = [each for each in slices.measured if each.entry == index]
        if sum(each.rows for each in found) == 0:
            yield (
                f"gate.slices.{index}: no test row is in {entry.title!r}, so nothing was judged. "
                "See whether its values are written as in the rows."
            )
            continue
        has_rules = entry.bounds or entry.no_worse_than_champion
        few = [f"{each.name} ({each.rows:,})" for each in found if each.rows < entry.min_rows]
        if few and has_rules:
            more = f" and {len(few) - _NAMED:,} more" if len(few) > _NAMED else ""
            yield (
                f"gate.slices.{index}: fewer than min_rows = {entry.min_rows:,} test rows, so "
                f"reported and not judged: {', '.join(few[:_NAMED])}{more}."
            )
        if left_out := slices.left_out.get(index):
            yield (
                f"gate.slices.{index}: {entry.title} has {len(found) + left_out:,} values, of "
                f"which the commonest {len(found):,} were measured; a slice with where, such as "
                f"{entry.by} == ..., takes in any other."
            )


def _is_judged(each: SliceMetrics, gate: GateConfig) -> bool:
    return each.rows >= gate.slices[each.entry].min_rows


def _compared(
    judged: Sequence[SliceMetrics], champion: Comparison | None, gate: GateConfig
) -> dict[str, RuleResult]:
    """By the name of the slice. The champion's own rule says why there is nothing to compare."""
    if not isinstance(champion, ChampionMetrics) or champion.same_model:
        return {}
    found = [
        (each, each.pairs, tested(
            each.pairs.only_candidate_correct, each.pairs.only_other_correct, each.pairs.rows
        ))
        for each in judged
        if each.pairs is not None and gate.slices[each.entry].no_worse_than_champion
    ]  # fmt: skip
    adjusted = holm([worse for *_, (_, worse, _) in found])
    alpha, rules = gate.champion.alpha, {}
    for (each, pairs, (_, worse, test)), q in zip(found, adjusted, strict=True):
        passed = q > alpha
        words = pairs_in_words(
            pairs.only_candidate_correct, pairs.only_other_correct, "the champion", pairs.rows
        )
        many = f", {distinct(q, alpha)[0]} by Holm's correction of {len(found):,} slices"
        reason = (
            f"{'not significantly worse' if passed else 'significantly worse'} than champion "
            f"version {champion.version} on {count_of_rows(each.rows)}: {words} ({test}, "
            f"p = {distinct(worse, alpha)[0]}{many if len(found) > 1 else ''})"
        )
        rule = RuleResult("champion", passed, q, f"p above {alpha:.4g}", reason)
        rules[each.name] = _of_slice(each, rule)
    return rules


def _of_slice(each: SliceMetrics, rule: RuleResult) -> RuleResult:
    return dataclasses.replace(
        rule,
        rule=f"slices.{each.name}.{rule.rule}",
        reason=f"on {each.name}: {rule.reason}",
        slice_name=each.name,
    )
