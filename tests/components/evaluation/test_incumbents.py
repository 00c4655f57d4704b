"""The candidate against champion and reference, and what the nights before say."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from components.artifacts.values import (
    ChampionMetrics,
    Comparison,
    Decision,
    Evidence,
    IncomparableChampion,
    Look,
    Metrics,
    PairedRows,
    Past,
    RowSet,
)
from components.evaluation.gate import decide
from components.gate_config import ChampionRule, GateConfig
from tests.components.evaluation.test_gate import METRICS

TONIGHT = RowSet("tonight", ("m1", "m2"))
MEASURED = dataclasses.replace(METRICS, examples=2_000, test_rows=TONIGHT, digest="candidate")


def beside(version: int, ours: int, theirs: int, metrics: Metrics = MEASURED) -> ChampionMetrics:
    both = metrics.examples - ours - theirs
    return ChampionMetrics(version, metrics, both, ours, theirs, 0, same_model=False)


def decided(
    champion: Comparison | None,
    reference: Comparison | None = None,
    past: Past | None = None,
    **rule: Any,
) -> Decision:
    gate = GateConfig(champion=ChampionRule(**rule))
    return decide(MEASURED, champion, gate, None, reference, past or Past())


def passed(decision: Decision, name: str) -> bool:
    return next(rule.passed for rule in decision.rules if rule.rule == name)


def test_an_equal_candidate_is_refused_and_told_what_would_promote_it() -> None:
    decision = decided(beside(3, 50, 48))
    assert not decision.promoted
    assert decision.reason == (
        "Refused: 1 of 4 rules failed: no evidence that it is better than champion version 3: "
        "where exactly one of them is right, it is the candidate 50 times and the champion 48 "
        "times (paired test, p = 0.4598); it is ahead by 0.1 points on 2,000 rows, and 1.2 "
        "promote it."
    )


def test_a_better_candidate_moves_the_champion_and_a_far_better_one_the_reference() -> None:
    better, far_better = decided(beside(3, 80, 50)), decided(beside(3, 150, 50))
    assert (better.promoted, better.moves_reference) == (True, False)
    assert (far_better.promoted, far_better.moves_reference) == (True, True)
    assert "significantly better than champion version 3" in better.reason


def test_the_first_champion_is_the_reference() -> None:
    first = decided(None)
    assert (first.promoted, first.moves_reference) == (True, True)
    assert first.look == Look(TONIGHT, "candidate")


def test_a_model_that_may_be_behind_the_reference_by_the_margin_is_refused() -> None:
    decision = decided(beside(3, 90, 50), beside(2, 60, 75))
    assert not decision.promoted
    assert passed(decision, "champion")
    assert not passed(decision, "reference")
    assert "a loss of more than 1 point against reference version 2 is not ruled out" in (
        decision.reason
    )
    assert decided(beside(3, 90, 50), beside(2, 60, 75), margin_points=4).promoted
    assert decided(beside(3, 90, 50), beside(2, 80, 50)).promoted


def test_small_losses_do_not_add_up_where_every_night_promotes() -> None:
    rule: dict[str, Any] = {"promote_if": "not_significantly_worse", "alpha": 0.05}
    assert decided(beside(3, 50, 55), beside(2, 50, 55), **rule).promoted
    worn = decided(beside(3, 50, 55), beside(2, 50, 90), **rule)
    assert not worn.promoted
    assert "significantly worse than reference version 2" in worn.reason
    behind = decided(beside(3, 150, 150), beside(2, 150, 172), **rule)
    assert not behind.promoted
    assert "but it is behind by 1.1 points, more than 1" in behind.reason
    assert decided(beside(3, 150, 150), beside(2, 150, 168), **rule).promoted
    assert not decided(beside(3, 150, 172), **rule).promoted  # the champion is the reference


def test_an_old_champion_is_replaced_by_an_equal_model_that_is_within_the_margin() -> None:
    many = dataclasses.replace(MEASURED, examples=60_000)
    champion = beside(3, 300, 300, many)
    rule: dict[str, Any] = {"promote_when_older_than_days": 30}
    assert not decided(champion, past=Past(champion_days=29), **rule).promoted
    decision = decided(champion, past=Past(champion_days=31), **rule)
    assert decision.promoted
    assert "champion version 3 serves for more than 30 days, and it is within 1 point of" in (
        decision.reason
    )
    few = decided(beside(3, 50, 50), past=Past(champion_days=31), **rule)
    assert not few.promoted
    assert "serves for more than 30 days, but a loss of more than 1 point is not ruled out" in (
        few.reason
    )


def test_evidence_that_leaves_the_margin_open_is_not_enough() -> None:
    small = dataclasses.replace(MEASURED, examples=200)
    decision = decided(beside(3, 12, 2, small))
    assert not decision.promoted
    assert "better than champion version 3, but a loss of more than 1 point is not ruled out" in (
        decision.reason
    )


@pytest.mark.parametrize(("marks", "promoted"), [(("x", "y"), True), (("x", "m2"), False)])
def test_nights_on_other_rows_add_up_and_nights_on_the_same_rows_do_not(
    marks: tuple[str, ...], promoted: bool
) -> None:
    before = tuple(
        Look(RowSet(str(n), tuple(f"{m}{n if m != 'm2' else ''}" for m in marks)), str(n),
             (Evidence(3, 2_000, 22.0, 140.0),), when=str(n))
        for n in range(2)
    )  # fmt: skip
    decision = decided(beside(3, 80, 60), past=Past(looks=before))
    assert decision.promoted == promoted
    assert ("with 4,000 rows of the nights before" in decision.reason) == promoted
    of_another = tuple(
        dataclasses.replace(each, against=(Evidence(1, 2_000, 22.0, 140.0),)) for each in before
    )
    assert not decided(beside(3, 80, 60), past=Past(looks=of_another)).promoted


@pytest.mark.parametrize(
    ("reference", "past", "words"),
    [
        (beside(2, 0, 500), Past(reference_days=400), "became it 400 days ago"),
        (None, Past(reference_missing="version 2 cannot be had (gone)"), "version 2 cannot be had"),
        (
            IncomparableChampion(2, "it cannot read the rows", same_model=False),
            Past(),
            "version 2 cannot be compared with: it cannot read the rows",
        ),
    ],
)
def test_a_reference_is_retired_by_age_or_if_it_cannot_answer_and_the_decision_says_so(
    reference: Comparison | None, past: Past, words: str
) -> None:
    decision = decided(beside(3, 80, 50), reference, past)
    assert (decision.promoted, decision.moves_reference) == (True, True)
    assert "reference" not in [rule.rule for rule in decision.rules]
    (note,) = (note for note in decision.notes if "retired" in note)
    assert words in note
    assert note.endswith("The next model that is promoted becomes the reference.")


def test_what_was_compared_is_kept_for_the_nights_to_come() -> None:
    look = decided(beside(3, 80, 50), beside(2, 90, 40)).look
    assert look is not None
    assert look.against == (Evidence(3, 2_000, 30.0, 130.0), Evidence(2, 2_000, 50.0, 130.0))


def test_candidates_on_the_same_rows_are_counted_once_each_and_too_many_are_noted() -> None:
    looks = tuple(Look(TONIGHT, f"other {number}") for number in range(50))
    again = (*looks[:9], Look(TONIGHT, "candidate"), Look(RowSet("old", ("o",)), "more"))
    few = decided(beside(3, 50, 50), past=Past(looks=again))
    assert few.candidates_on_these_rows == 10
    assert not [note for note in few.notes if "test rows" in note]
    many = decided(beside(3, 50, 50), past=Past(looks=looks))
    assert many.candidates_on_these_rows == 51
    (note,) = (note for note in many.notes if "very" in note)
    assert note.startswith("51 candidates have been held against these very 2,000 test rows;")
    assert "rows that came since" in note


def of_steps(version: int, mean: float, squares: float) -> ChampionMetrics:
    rows = PairedRows(mean, 900, 600, 0.9, 0.1, squares)
    metrics = dataclasses.replace(MEASURED, task="per_step")
    return dataclasses.replace(beside(version, 1, 400, metrics), paired_rows=rows)


def test_where_each_step_has_a_label_the_same_rules_hold_of_the_rows() -> None:
    assert not decided(of_steps(3, 0.001, 60.0)).promoted
    better = decided(of_steps(3, 0.012, 60.0))
    assert (better.promoted, better.moves_reference) == (True, False)
    assert decided(of_steps(3, 0.03, 60.0)).moves_reference
    behind = decided(of_steps(3, 0.012, 60.0), of_steps(2, -0.009, 60.0))
    assert not passed(behind, "reference")


def test_what_would_be_enough_is_said_also_of_a_model_that_is_behind_and_of_few_rows() -> None:
    behind = decided(beside(3, 40, 60)).reason
    assert "it is behind by 1 point on 2,000 rows, and 1.2 promote it" in behind
    few = dataclasses.replace(MEASURED, examples=11)
    assert "it is ahead by 9.1 points, and on 11 rows no lead is enough" in (
        decided(beside(3, 2, 1, few)).reason
    )
