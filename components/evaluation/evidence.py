"""What paired comparisons prove, over one night or over several: one formula for every claim.

For each row d is what the candidate has right of it minus what the other model has, as shares of
the row's answers. S is the sum of d over n rows, Q that of d². The claim that the mean of d is
above -m, m being 0 ("better") or a margin ("not worse by m"), is believed at z standard errors:

    (S + m n - 1) / sqrt(max(Q, m n, 1)) >= z

With one answer a row and m = 0 this is McNemar's test with Edwards' correction (A. L. Edwards,
Psychometrika 13, 1948); with many it is the sign-flip permutation test in its normal form, where Q
is the variance of S under all choices of signs. For a margin, Q is at least m n: a model that is
worse by m is wrong alone on that many rows, also where none of them is among these.

Every night asks again, about another candidate. So the claims that must hold for a year get the
level YEARLY_ERROR / 365 a night: the chance that any of them is wrong is then at most YEARLY_ERROR,
whatever ties the nights together: the same test rows, similar models (Bonferroni; it is the linear
spending function of K. K. G. Lan and D. L. DeMets, Biometrika 70, 1983). An e-process over the year
would speak of the average candidate and not of tonight's; begun anew each night it pays the same
price, and holds only where the rows are new.

Everything here is arithmetic of numbers: the benchmark passes arrays, one entry a simulated year.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple, TypeAlias

from components.artifacts.values import ChampionMetrics, Evidence, Look, RowSet
from components.gate_config import ChampionRule

NIGHTS = 3
"""Comparisons on rows of their own that are added up. More would delay what began yesterday: the
nights before it say nothing of it, and are in the sum."""
YEARLY_ERROR = 0.02
"""The chance that a model below the margin is promoted in a year of such candidates alone; half a
point below it, the chance is under 1 %."""
NIGHTS_A_YEAR = 365
POWER = 0.8
"""How surely a difference must be seen for the rows to count as enough; the usual figure."""

Number: TypeAlias = Any
"""A float, or an array of them."""

_NORMAL = NormalDist()


class Sums(NamedTuple):
    """n, S and Q of one night, or of several."""

    rows: Number
    total: Number
    squares: Number

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))


class Levels(NamedTuple):
    """What is asked for: standard errors, and a share of the rows."""

    better: float
    year: float
    margin: float


class Verdict(NamedTuple):
    """What holds of a candidate."""

    better: Number
    """Than the champion, at the level of one night."""
    within_margin_of_champion: Number
    within_margin_of_reference: Number
    better_than_reference: Number
    """At the level of a year."""

    def promotes(self, champion_is_old: Number) -> Number:
        """Whether the champion moves."""
        within = self.within_margin_of_champion & self.within_margin_of_reference
        return (self.better | champion_is_old) & within


def levels(rule: ChampionRule) -> Levels:
    """As the config says."""
    margin = rule.margin_points / 100
    return Levels(least_errors(rule.alpha), least_errors(YEARLY_ERROR / NIGHTS_A_YEAR), margin)


def least_errors(level: float) -> float:
    """The standard errors that a claim needs at a significance level."""
    return _NORMAL.inv_cdf(1 - level)


def p_value(errors: float) -> float:
    """The chance of so many standard errors, or more, if the claim is just wrong."""
    return _NORMAL.cdf(-errors)


def standard_errors(sums: Sums, margin: float = 0.0) -> Number:
    """How many standard errors the mean lies above -margin."""
    slack = margin * sums.rows
    return (sums.total + slack - 1) / _larger(_larger(sums.squares, slack), 1) ** 0.5


def holds(tonight: Sums, together: Sums, margin: float, errors: float) -> Number:
    """Whether a claim holds of a candidate.

    Args:
        tonight: the candidate's own comparison, which must not speak against the claim.
        together: the same with the nights before.
        margin: 0 for better.
        errors: standard errors that are needed.
    """
    own = tonight.total > -margin * tonight.rows
    return own & (standard_errors(together, margin) >= errors)


def least_lead(sums: Sums, asked: Levels, champion_is_old: bool = False) -> int:
    """The smallest S on these rows that would move a champion that is the reference."""

    def is_enough(lead: int) -> bool:
        seen = Sums(sums.rows, lead, max(sums.squares, lead))
        return bool(judge((seen, seen), None, asked).promotes(champion_is_old))

    return bisect.bisect_left(range(int(sums.rows)), True, key=is_enough)


def rows_needed(difference: float, disagreement: float, asked: Levels) -> int:
    """The test rows on which a better candidate is promoted four times in five.

    Args:
        difference: the mean of d: how much better it is.
        disagreement: the mean of d²; with one answer a row the share of the rows on which exactly
            one of the two is right.
        asked: the levels.
    """
    claims = ((0.0, asked.better), (asked.margin, asked.year))
    power = least_errors(1 - POWER)
    return math.ceil(
        max(
            ((errors + power) / (difference + margin)) ** 2 * max(disagreement, difference, margin)
            for margin, errors in claims
        )
    )


def least_difference(rows: int, disagreement: float, asked: Levels) -> float | None:
    """The smallest difference that so many rows show; None if they show none."""
    found = bisect.bisect_left(
        range(1, 1001), True, key=lambda k: rows_needed(k / 1000, disagreement, asked) <= rows
    )
    return None if found == 1000 else (found + 1) / 1000


def judge(
    champion: tuple[Sums, Sums], reference: tuple[Sums, Sums] | None, asked: Levels
) -> Verdict:
    """What holds of a candidate, by its comparison with each: tonight's, and together with others.

    ``reference`` is None where the champion is the reference.
    """
    against = reference or champion
    return Verdict(
        better=holds(*champion, 0.0, asked.better),
        within_margin_of_champion=holds(*champion, asked.margin, asked.year),
        within_margin_of_reference=holds(*against, asked.margin, asked.year),
        better_than_reference=holds(*against, 0.0, asked.year),
    )


def evidence_of(compared: ChampionMetrics) -> Evidence:
    """The sums of one comparison."""
    rows = compared.metrics.examples
    if (pairs := compared.paired_rows) is not None:
        total, squares = pairs.mean_difference * rows, pairs.squares
        return Evidence(compared.version, rows, total, squares, pairs.costs_digest)
    ours, theirs = compared.only_candidate_correct, compared.only_champion_correct
    return Evidence(compared.version, rows, float(ours - theirs), float(ours + theirs))


def sums_of(evidence: Evidence) -> Sums:
    """As ``judge`` takes them."""
    return Sums(evidence.rows, evidence.total, evidence.squares)


def nights_before(looks: Sequence[Look], tonight: Evidence, rows: RowSet | None) -> list[Evidence]:
    """The last comparisons with a version on rows that share none with tonight's or each other.

    Args:
        looks: of the nights before, oldest first.
        tonight: against the champion, or the reference. What was compared by other costs, or by
            right answers where this is by costs, has another unit.
        rows: tonight's. On the same rows again nothing is gained, so that these count once.
    """
    found: list[Evidence] = []
    if rows is None:
        return found
    taken = set(rows.marks)
    for look in reversed(looks):
        evidence = next(
            (
                one
                for one in look.against
                if (one.version, one.costs_digest) == (tonight.version, tonight.costs_digest)
            ),
            None,
        )
        if evidence is None or len(found) == NIGHTS - 1:
            continue
        if taken.isdisjoint(look.rows.marks):
            taken |= set(look.rows.marks)
            found.append(evidence)
    return found


def together(tonight: Evidence, before: Sequence[Evidence]) -> tuple[Sums, Sums]:
    """Tonight's sums, and those with the nights before."""
    own = sums_of(tonight)
    everything = own
    for one in before:
        everything = everything.plus(sums_of(one))
    return own, everything


def _larger(a: Number, b: Number) -> Number:
    # `max` takes no arrays.
    return (a + b + abs(a - b)) / 2
