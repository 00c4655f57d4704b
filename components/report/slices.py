"""The slices of the test rows in the report: those first on which the candidate loses most."""

from __future__ import annotations

import dataclasses
import math

from components.artifacts.values import Decision, Interval, SliceMetrics, Slices

SLICES_SHOWN = 40
"""As much as a reader takes in; ``slices.json`` of the stage holds all."""


@dataclasses.dataclass(frozen=True)
class SliceRow:
    """One slice; what is not known of it is None."""

    name: str
    range: str
    rows: int
    candidate: Interval | None
    champion: Interval | None
    difference: Interval | None
    """Of the accuracies, the candidate's minus the champion's."""
    adjusted_p: float | None
    """After Holm's correction, that the candidate is worse."""
    rules: int
    """By how many rules it was judged."""
    failed: tuple[str, ...]
    """Of these the ones that failed, without the name of the slice."""


def slice_rows(slices: Slices, decision: Decision) -> list[SliceRow]:
    """All slices: by what the candidate loses, and without a champion by its accuracy."""
    rows = [_row(each, decision) for each in slices.measured]
    return sorted(rows, key=lambda row: (_order(row), row.name))


def _order(row: SliceRow) -> tuple[bool, float, float]:
    # Without a row there is nothing to see: these come last.
    accuracy = row.candidate.value if row.candidate else math.inf
    return row.candidate is None, row.difference.value if row.difference else 0.0, accuracy


def _row(each: SliceMetrics, decision: Decision) -> SliceRow:
    prefix = f"slices.{each.name}."
    rules = [rule for rule in decision.rules if rule.slice_name == each.name]
    compared = [rule.value for rule in rules if rule.rule == f"{prefix}champion"]
    return SliceRow(
        name=each.name,
        range=each.range,
        rows=each.rows,
        candidate=each.overall.get("accuracy"),
        champion=each.champion_accuracy,
        difference=each.difference,
        adjusted_p=compared[0] if compared else None,
        rules=len(rules),
        failed=tuple(rule.rule.removeprefix(prefix) for rule in rules if not rule.passed),
    )
