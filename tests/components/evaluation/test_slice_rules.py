"""Slices in the gate: which are judged, by what, and Holm's correction over them."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from components.artifacts.values import (
    ChampionMetrics,
    Decision,
    IncomparableChampion,
    Interval,
    PairedRows,
    Pairs,
    SliceMetrics,
    Slices,
)
from components.evaluation.gate import decide, mcnemar_worse
from components.evaluation.slice_rules import holm
from components.gate_config import Bound, ChampionRule, GateConfig, SliceConfig
from tests.components.evaluation.test_gate import METRICS, against, interval

BOUNDED = SliceConfig(by="customer", bounds={"accuracy": Bound(min=0.8)})
COMPARED = SliceConfig(by="customer", no_worse_than_champion=True)
P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def gate(*entries: SliceConfig, alpha: float = 0.05) -> GateConfig:
    return GateConfig(slices=entries, champion=ChampionRule(promote_if="always", alpha=alpha))


def seen(
    name: str, accuracy: float = 0.9, rows: int = 40, ours: int = 0, theirs: int = 0, entry: int = 0
) -> SliceMetrics:
    overall = {"accuracy": interval(accuracy), "macro_f1": interval(accuracy)}
    pairs = Pairs(rows - ours - theirs, ours, theirs, 0)
    return SliceMetrics(name, "", entry, rows, overall, interval(accuracy), pairs, interval(0.0))


def judged(decision: Decision) -> dict[str, bool]:
    return {rule.rule: rule.passed for rule in decision.rules if rule.slice_name}


def test_a_bound_holds_or_fails_for_each_slice_by_itself() -> None:
    slices = Slices((seen("customer: A", 0.8), seen("customer: B", 0.79)))
    decision = decide(METRICS, None, gate(BOUNDED), slices=slices)
    assert judged(decision) == {
        "slices.customer: A.accuracy.min": True,
        "slices.customer: B.accuracy.min": False,
    }
    assert not decision.promoted
    failed = next(rule for rule in decision.rules if not rule.passed)
    assert (failed.value, failed.bound) == (0.79, "at least 0.8")
    assert failed.reason.startswith("on customer: B: accuracy 0.79 is below the minimum 0.8")


def test_without_slices_nothing_is_decided_otherwise() -> None:
    plain = GateConfig(champion=ChampionRule(promote_if="always"))
    assert decide(METRICS, against(3, 9), plain) == decide(
        METRICS, against(3, 9), plain, slices=Slices(())
    )


def test_a_slice_of_few_rows_is_reported_and_not_judged() -> None:
    slices = Slices((seen("customer: A", 0.1, rows=29), seen("customer: B", 0.9, rows=30)))
    decision = decide(METRICS, None, gate(BOUNDED), slices=slices)
    assert judged(decision) == {"slices.customer: B.accuracy.min": True}
    (note,) = decision.notes
    assert "gate.slices.0: fewer than min_rows = 30 test rows" in note
    assert note.endswith("customer: A (29).")


def test_a_slice_without_a_row_is_named_and_stops_nothing() -> None:
    slices = Slices((SliceMetrics("customer == 'Z'", "", 0, 0),))
    entry = SliceConfig(where="customer == 'Z'", bounds={"accuracy": Bound(min=0.8)})
    decision = decide(METRICS, None, gate(entry), slices=slices)
    assert decision.promoted
    assert "gate.slices.0: no test row is in \"customer == 'Z'\"" in decision.notes[0]


def test_values_that_were_left_out_are_counted() -> None:
    slices = Slices((seen("customer: A"),), left_out={0: 7})
    (note,) = decide(METRICS, None, gate(BOUNDED), slices=slices).notes
    assert "customer has 8 values, of which the commonest 1 were measured" in note


def test_a_metric_of_two_labels_is_not_judged_on_a_slice_that_has_one_alone() -> None:
    entry = SliceConfig(by="customer", bounds={"roc_auc": Bound(min=0.8)})
    both = dataclasses.replace(METRICS, overall=METRICS.overall | {"roc_auc": interval(0.9)})
    slices = Slices((seen("customer: A"),))
    assert judged(decide(both, None, gate(entry), slices=slices)) == {}
    # Where it is measured nowhere, the bound is in vain.
    assert judged(decide(METRICS, None, gate(entry), slices=slices)) == {
        "slices.customer: A.roc_auc.min": False
    }


def test_a_value_that_is_not_a_number_passes_no_rule() -> None:
    slice_ = seen("customer: A")
    nan = Interval(float("nan"), float("nan"), float("nan"))
    slices = Slices((dataclasses.replace(slice_, overall={"accuracy": nan}),))
    assert judged(decide(METRICS, None, gate(BOUNDED), slices=slices)) == {
        "slices.customer: A.accuracy.min": False
    }


def test_a_slice_fails_on_which_the_champion_is_significantly_better() -> None:
    slices = Slices((seen("customer: A", ours=1, theirs=12), seen("customer: B", ours=9)))
    decision = decide(METRICS, against(10, 12), gate(COMPARED), slices=slices)
    assert judged(decision) == {
        "slices.customer: A.champion": False,
        "slices.customer: B.champion": True,
    }
    rule = next(rule for rule in decision.rules if not rule.passed)
    assert rule.value == pytest.approx(2 * mcnemar_worse(1, 12))
    assert "significantly worse than champion version 3 on 40 rows: where exactly" in rule.reason
    assert "by Holm's correction of 2 slices" in rule.reason


def test_a_loss_that_one_slice_would_show_may_be_chance_among_many() -> None:
    lost = seen("customer: A", ours=1, theirs=8)  # p = 0.02
    alone = decide(METRICS, against(1, 8), gate(COMPARED), slices=Slices((lost,)))
    assert judged(alone) == {"slices.customer: A.champion": False}
    others = tuple(seen(f"customer: {i}", ours=3, theirs=3) for i in range(3))
    among = decide(METRICS, against(1, 8), gate(COMPARED), slices=Slices((lost, *others)))
    assert all(judged(among).values())


def test_slices_that_are_not_judged_do_not_count_in_the_correction() -> None:
    lost = seen("customer: A", ours=1, theirs=8)
    few = tuple(seen(f"customer: {i}", rows=5, ours=1, theirs=1) for i in range(9))
    bounded = tuple(seen(f"kind: {i}", ours=3, theirs=3, entry=1) for i in range(9))
    other = SliceConfig(by="kind", bounds={"accuracy": Bound(min=0.1)})
    slices = Slices((lost, *few, *bounded))
    decision = decide(METRICS, against(1, 8), gate(COMPARED, other), slices=slices)
    assert judged(decision)["slices.customer: A.champion"] is False


def test_rows_with_many_answers_are_compared_by_rows() -> None:
    pairs = Pairs(
        100, 20, 60, 20, PairedRows(-0.1, 5, 25, p_worse=0.001, p_better=0.999, squares=1)
    )
    slices = Slices((dataclasses.replace(seen("length: below 9"), pairs=pairs),))
    entry = SliceConfig(by="length", edges=(9,), no_worse_than_champion=True)
    decision = decide(METRICS, against(20, 60), gate(entry), slices=slices)
    rule = next(rule for rule in decision.rules if rule.slice_name)
    assert (rule.passed, rule.value) == (False, 0.001)
    assert "sign-flip permutation test of the rows" in rule.reason


@pytest.mark.parametrize(
    "champion",
    [
        None,
        IncomparableChampion(3, "it cannot read a row", same_model=False),
        against(0, 0, same_model=True),
    ],
)
def test_without_another_champion_to_compare_with_no_slice_is_held_against_it(
    champion: ChampionMetrics | IncomparableChampion | None,
) -> None:
    slices = Slices((seen("customer: A", ours=0, theirs=20),))
    assert judged(decide(METRICS, champion, gate(COMPARED), slices=slices)) == {}


@given(P_VALUES)
def test_adjusted_p_values_are_never_below_the_raw_ones_and_keep_their_order(
    p_values: list[float],
) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    for (p, q), (other_p, other_q) in itertools.product(
        zip(p_values, adjusted, strict=True), repeat=2
    ):
        assert p > other_p or q <= other_q


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holms_steps_reject_what_closed_testing_with_bonferronis_rejects(
    p_values: list[float],
) -> None:
    """A brute force over all sets of hypotheses, of which Holm's steps are the short way.

    One is rejected if every set that it is in is rejected: if the least p there times the size of
    the set is at most alpha.
    """
    everything = range(len(p_values))
    sets = [
        chosen
        for size in range(1, len(p_values) + 1)
        for chosen in itertools.combinations(everything, size)
    ]

    def closed(index: int) -> float:
        return max(
            min(1.0, len(chosen) * min(p_values[i] for i in chosen))
            for chosen in sets
            if index in chosen
        )

    adjusted = holm(p_values)
    assert adjusted == pytest.approx([closed(index) for index in everything])


@given(P_VALUES)
def test_holms_lie_between_bonferronis_and_those_of_the_false_discovery_rate(
    p_values: list[float],
) -> None:
    adjusted = np.array(holm(p_values))
    assert np.all(adjusted <= np.minimum(1, len(p_values) * np.array(p_values)) + 1e-12)
    assert np.all(adjusted >= stats.false_discovery_control(p_values) - 1e-12)


def test_equal_candidates_seldom_fail_on_any_slice() -> None:
    """On 20 slices at a level of 0.05: without the correction two in three would fail."""
    random = np.random.default_rng(1)
    failed = 0
    for _ in range(200):
        wins = random.binomial(30, 0.5, 20)
        failed += min(holm([mcnemar_worse(int(b), 30 - int(b)) for b in wins])) <= 0.05
    assert failed / 200 <= 0.05
