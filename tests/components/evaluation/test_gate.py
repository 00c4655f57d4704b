"""The gate: bounds, floors, the champion, and the sentences it gives."""

from __future__ import annotations

import dataclasses
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from scipy import stats

from components.artifacts.values import (
    BaselineMetrics,
    ChampionMetrics,
    ClassMetrics,
    Decision,
    IncomparableChampion,
    Interval,
    Metrics,
    PairedRows,
    Pairs,
)
from components.evaluation.gate import decide, decision_to_json, mcnemar_worse
from components.gate_config import BaselineRule, Bound, ChampionRule, GateConfig, PerClassFloor
from components.metrics import METRICS as TABLE

UNIT = st.floats(0, 1)
COUNT = st.integers(0, 300)


def interval(value: float) -> Interval:
    return Interval(value, value - 0.01, value + 0.01)


def class_metrics(label: str, recall: float, precision: float = 0.9) -> ClassMetrics:
    return ClassMetrics(label, interval(precision), interval(recall), support=40)


METRICS = Metrics(
    overall={
        "accuracy": interval(0.95),
        "average_loss": interval(0.2),
        "macro_f1": interval(0.94),
        "ece": interval(0.03),
    },
    per_class=(class_metrics("a", 0.97), class_metrics("b", 0.9), class_metrics("c", 0.8)),
    labels=("a", "b", "c"),
    confusion=((39, 1, 0), (2, 36, 2), (4, 4, 32)),
    examples=120,
    predictions_path="predictions.parquet",
    digest="d",
)


def reaching(**values: float) -> Metrics:
    """METRICS with other values of some metrics."""
    changed = {key: interval(value) for key, value in values.items()}
    return dataclasses.replace(METRICS, overall=METRICS.overall | changed)


def against(
    only_candidate: int, only_champion: int, *, same_model: bool = False
) -> ChampionMetrics:
    return ChampionMetrics(3, METRICS, 80, only_candidate, only_champion, 4, same_model)


def beside(only_candidate: int, only_baseline: int) -> BaselineMetrics:
    pairs = Pairs(80, only_candidate, only_baseline, 120 - 80 - only_candidate - only_baseline)
    return BaselineMetrics("forest", "a random forest", METRICS, pairs, 500, "a", 0.75)


def rule_of(decision: Decision, name: str) -> tuple[bool, str]:
    rule = next(rule for rule in decision.rules if rule.rule == name)
    return rule.passed, rule.reason


def test_a_good_model_without_a_champion_is_promoted_and_says_so() -> None:
    decision = decide(METRICS, None, GateConfig())
    assert decision.promoted
    assert decision.champion_version is None
    assert decision.reason == "Promoted: all 4 rules passed; no champion yet."


def test_a_refusal_names_the_value_the_bound_and_the_interval() -> None:
    decision = decide(METRICS, None, GateConfig(bounds={"accuracy": Bound(min=0.99)}))
    assert not decision.promoted
    assert decision.reason == (
        "Refused: 1 of 4 rules failed: accuracy 0.95 is below the minimum 0.99 "
        "(95 % interval 0.94 to 0.96)."
    )


def test_a_bound_inside_the_interval_is_said_to_be_near() -> None:
    decision = decide(METRICS, None, GateConfig(bounds={"average_loss": Bound(max=0.195)}))
    assert "so the shortfall may be chance" in decision.reason


def test_every_rule_is_listed_also_those_that_passed() -> None:
    gate = GateConfig(
        bounds={"accuracy": Bound(min=0.9), "ece": Bound(min=0.0, max=0.1)},
        per_class=PerClassFloor(min_recall=0.5, min_precision=0.5, min_support=10),
    )
    names = [rule.rule for rule in decide(METRICS, against(1, 1), gate).rules]
    assert names == [
        "finite_metrics",
        "min_examples",
        "accuracy.min",
        "ece.min",
        "ece.max",
        "per_class.min_support",
        "per_class.min_recall",
        "per_class.min_precision",
        "champion",
    ]


# Of 120 test rows 90 have the label a: a constant answer reaches an accuracy of 0.75, and for its
# one label of three an F1 of 2 * 0.75 / 1.75.
UNEVEN = dataclasses.replace(METRICS, confusion=((85, 5, 0), (2, 18, 0), (1, 0, 9)))


@pytest.mark.parametrize(
    ("bounds", "is_noted"),
    [
        ({"accuracy": Bound(min=0.5)}, True),
        ({"accuracy": Bound(min=0.75)}, True),
        ({"accuracy": Bound(min=0.76)}, False),
        ({"accuracy": Bound(min=0.5), "macro_f1": Bound(min=0.28)}, True),
        ({"accuracy": Bound(min=0.5), "macro_f1": Bound(min=0.3)}, False),
        ({"accuracy": Bound(max=0.5)}, False),
        ({"average_loss": Bound(max=0.5)}, False),
    ],
)
def test_a_bound_that_a_constant_answer_passes_is_noted_and_stops_nothing(
    bounds: dict[str, Bound], is_noted: bool
) -> None:
    decision = decide(UNEVEN, None, GateConfig(bounds=bounds))
    assert bool(decision.notes) == is_noted
    assert decision.promoted == all(rule.passed for rule in decision.rules)
    for note in decision.notes:
        assert note.startswith(f"gate.bounds.accuracy.min = {bounds['accuracy'].min:g} stops no")
        assert "always 'a' is right for 0.75 of the test rows" in note
        assert note.endswith("bound macro_f1, of which such answers reach 0.286.")


def test_a_value_on_the_bound_passes() -> None:
    gate = GateConfig(bounds={"accuracy": Bound(min=0.95, max=0.95)}, min_examples=120)
    assert decide(METRICS, None, gate).promoted


def test_numbers_that_differ_never_look_equal_in_a_reason() -> None:
    metrics = reaching(accuracy=0.9499999)
    decision = decide(metrics, None, GateConfig(bounds={"accuracy": Bound(min=0.95)}))
    assert "accuracy 0.9499999 is below the minimum 0.95 " in decision.reason


def test_too_few_examples_are_refused() -> None:
    decision = decide(METRICS, None, GateConfig(min_examples=1000))
    assert rule_of(decision, "min_examples") == (
        False,
        "120 test examples are fewer than the 1,000 required",
    )


def test_a_floor_for_every_class_names_the_worst_first() -> None:
    floor = PerClassFloor(min_recall=0.95)
    passed, reason = rule_of(
        decide(METRICS, None, GateConfig(per_class=floor)), "per_class.min_recall"
    )
    assert not passed
    assert reason == 'recall below 0.95 in 2 of 3 classes: "c" (0.8), "b" (0.9)'


def test_a_long_list_of_classes_is_cut() -> None:
    classes = tuple(class_metrics(str(i), 0.1 + i / 100) for i in range(9))
    metrics = dataclasses.replace(METRICS, per_class=classes)
    gate = GateConfig(per_class=PerClassFloor(min_recall=0.5))
    assert rule_of(decide(metrics, None, gate), "per_class.min_recall")[1].endswith(
        '"0" (0.1), "1" (0.11), "2" (0.12) and 6 more'
    )


def test_a_model_without_classes_passes_no_floor() -> None:
    metrics = dataclasses.replace(METRICS, per_class=())
    for floor in (PerClassFloor(min_support=1), PerClassFloor(min_recall=0.1)):
        assert not decide(metrics, None, GateConfig(per_class=floor)).promoted


def test_a_class_without_test_rows_fails_the_floor_of_its_support_alone() -> None:
    unseen = ClassMetrics("unseen", Interval(0, 0, 1), Interval(0, 0, 1), support=0)
    metrics = dataclasses.replace(METRICS, per_class=(*METRICS.per_class, unseen))
    floor = PerClassFloor(min_recall=0.1, min_precision=0.1)
    assert decide(metrics, None, GateConfig(per_class=floor)).promoted
    asked = dataclasses.replace(floor, min_support=1)
    passed, reason = rule_of(
        decide(metrics, None, GateConfig(per_class=asked)), "per_class.min_support"
    )
    assert not passed
    assert reason == 'test examples below 1 in 1 of 4 classes: "unseen" (0)'


@pytest.mark.parametrize("name", TABLE)
def test_a_metric_that_is_not_a_number_is_refused_even_without_a_bound(name: str) -> None:
    metrics = reaching(**{name: math.nan})
    decision = decide(metrics, None, GateConfig(bounds={}))
    assert not decision.promoted
    assert "not a number" in decision.reason


def test_nan_fails_bounds_of_both_sides_and_floors_and_is_stored_as_null() -> None:
    nan = dataclasses.replace(
        reaching(accuracy=math.nan),
        per_class=(class_metrics("a", math.nan), class_metrics("b", 0.9)),
    )
    gate = GateConfig(
        bounds={"accuracy": Bound(min=0.0, max=1.0)}, per_class=PerClassFloor(min_recall=0.1)
    )
    decision = decide(nan, None, gate)
    failed = {rule.rule: rule.value for rule in decision.rules if not rule.passed}
    assert failed == {
        "finite_metrics": None,
        "accuracy.min": None,
        "accuracy.max": None,
        "per_class.min_recall": None,
    }
    assert TypeAdapter(Decision).validate_json(decision_to_json(decision)) == decision


def test_numbers_that_differ_in_the_last_digit_do_not_look_equal() -> None:
    gate = GateConfig(bounds={"accuracy": Bound(min=0.1 + 0.2)})
    passed, reason = rule_of(decide(reaching(accuracy=0.3), None, gate), "accuracy.min")
    assert not passed
    assert "accuracy 0.3 is below the minimum 0.30000000000000004" in reason


def test_a_floor_of_zero_is_no_rule() -> None:
    decision = decide(METRICS, None, GateConfig(per_class=PerClassFloor(min_support=0)))
    assert not [rule.rule for rule in decision.rules if rule.rule.startswith("per_class")]


def test_where_a_person_decides_what_passes_is_proposed_and_what_fails_refused() -> None:
    gate = GateConfig(promotion="manual")
    passed = decide(METRICS, None, gate)
    assert (passed.promoted, passed.needs_approval, passed.verdict) == (True, True, "proposed")
    assert passed.reason.startswith("Proposed: all ")
    assert passed.reason.endswith("; it waits for a person, as gate.promotion is manual.")
    bounds = {"accuracy": Bound(min=1.0)}
    assert decide(METRICS, None, dataclasses.replace(gate, bounds=bounds)).verdict == "refused"
    same = decide(METRICS, against(0, 0, same_model=True), gate)
    assert (same.verdict, same.needs_approval) == ("unchanged", False)
    assert decide(METRICS, None, GateConfig()).verdict == "promoted"


def test_a_bound_on_a_metric_of_two_labels_fails_where_there_are_others() -> None:
    assert "roc_auc" not in METRICS.overall
    for bound, end in ((Bound(min=0.8), "min"), (Bound(max=0.99), "max")):
        decision = decide(METRICS, None, GateConfig(bounds={"roc_auc": bound}))
        passed, reason = rule_of(decision, f"roc_auc.{end}")
        assert not passed
        assert reason.endswith("bound macro_f1 in its place")


def test_the_champion_itself_is_not_compared() -> None:
    gate = GateConfig(champion=ChampionRule(promote_if="significantly_better"))
    decision = decide(METRICS, against(0, 0, same_model=True), gate)
    assert (decision.promoted, decision.unchanged, decision.champion_version) == (True, True, 3)
    assert decision.reason == (
        f"Unchanged: this very model is version 3, the champion already; all {len(decision.rules)} "
        "rules still hold."
    )
    assert rule_of(decision, "champion")[1].endswith("(version 3): nothing to compare")


def test_a_champion_that_no_longer_passes_is_refused_and_not_unchanged() -> None:
    decision = decide(reaching(accuracy=math.nan), against(0, 0, same_model=True), GateConfig())
    assert (decision.promoted, decision.unchanged) == (False, False)
    assert decision.reason.startswith("Refused: ")


def test_another_model_is_never_unchanged() -> None:
    decision = decide(METRICS, against(30, 5), GateConfig())
    assert (decision.promoted, decision.unchanged) == (True, False)
    assert not decide(METRICS, None, GateConfig()).unchanged


@pytest.mark.parametrize(
    ("promote_if", "ours", "theirs", "promoted", "verdict"),
    [
        ("not_significantly_worse", 5, 8, True, "not significantly worse than"),
        ("not_significantly_worse", 0, 4, True, "not significantly worse than"),
        ("not_significantly_worse", 0, 5, False, "significantly worse than"),
        ("not_significantly_worse", 0, 0, True, "not significantly worse than"),
        ("significantly_better", 14, 0, False, "better than"),
        ("significantly_better", 16, 0, True, "significantly better than"),
        ("significantly_better", 0, 0, False, "no evidence that it is better than"),
        ("significantly_better", 5, 8, False, "no evidence that it is better than"),
        ("always", 0, 50, True, "not compared with"),
    ],
)
def test_the_champion_rule_follows_the_test(
    promote_if: str, ours: int, theirs: int, promoted: bool, verdict: str
) -> None:
    margin = 4 if promote_if == "not_significantly_worse" else 1  # of 120 rows
    rule = ChampionRule(promote_if=promote_if, alpha=0.05, margin_points=margin)  # type: ignore[arg-type]
    decision = decide(METRICS, against(ours, theirs), GateConfig(champion=rule))
    passed, reason = rule_of(decision, "champion")
    assert (passed, decision.promoted) == (promoted, promoted)
    assert reason.startswith(f"{verdict} champion version 3")


def test_the_champion_sentence_gives_counts_p_and_what_would_promote() -> None:
    assert rule_of(decide(METRICS, against(6, 5), GateConfig()), "champion")[1] == (
        "no evidence that it is better than champion version 3: where exactly one of them is "
        "right, it is the candidate 6 times and the champion 5 times (paired test, p = 0.5); it "
        "is ahead by 0.83 points on 120 rows, and 12 promote it"
    )
    rule = ChampionRule(promote_if="not_significantly_worse", margin_points=5)
    assert rule_of(decide(METRICS, against(1, 6), GateConfig(champion=rule)), "champion")[1] == (
        "not significantly worse than champion version 3: where exactly one of them is right, "
        "it is the candidate once and the champion 6 times (exact McNemar test, p = 0.0625)"
    )


@pytest.mark.parametrize(
    ("require", "ours", "theirs", "passed"),
    [
        ("not_significantly_worse", 0, 4, True),
        ("not_significantly_worse", 0, 5, False),
        ("significantly_better", 4, 0, False),
        ("significantly_better", 5, 0, True),
    ],
)
def test_the_rule_of_the_baseline_follows_the_same_test(
    require: str, ours: int, theirs: int, passed: bool
) -> None:
    gate = GateConfig(baseline=BaselineRule(require=require))  # type: ignore[arg-type]
    decision = decide(METRICS, None, gate, beside(ours, theirs))
    assert (rule_of(decision, "baseline")[0], decision.promoted) == (passed, passed)
    assert (
        f"{'never' if not ours else f'{ours} times'} and the baseline"
        in (rule_of(decision, "baseline")[1])
    )


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (12, 1, None),
        (3, 1, "is not significantly better than a random forest, which trains in seconds"),
        (1, 12, "is significantly worse than a random forest, which trains in seconds"),
    ],
)
def test_a_model_that_a_cheap_one_equals_is_promoted_with_a_note(
    ours: int, theirs: int, words: str | None
) -> None:
    decision = decide(METRICS, None, GateConfig(), beside(ours, theirs))
    assert decision.promoted
    assert "baseline" not in [rule.rule for rule in decision.rules]
    notes = [note for note in decision.notes if "random forest" in note]
    assert len(notes) == (words is not None)
    assert not words or words in notes[0]


def test_the_note_gives_both_accuracies_on_the_same_rows() -> None:
    note = decide(METRICS, None, GateConfig(), beside(1, 12)).notes[-1]
    assert "accuracy 0.675 and 0.7667 on the same 120 test rows" in note


UNREADABLE = IncomparableChampion(3, "it cannot read 9 of the 24 test rows", same_model=False)


def test_a_champion_that_cannot_be_compared_with_refuses_the_candidate() -> None:
    decision = decide(METRICS, UNREADABLE, GateConfig())
    assert (decision.promoted, decision.champion_version) == (False, 3)
    assert decision.reason == (
        "Refused: 1 of 4 rules failed: cannot be compared with champion version 3: it cannot read "
        "9 of the 24 test rows; the champion stays, as gate.champion.if_not_comparable is refuse."
    )
    assert not rule_of(decision, "champion.comparable")[0]


def test_the_bounds_alone_may_decide_where_the_champion_cannot_be_compared_with() -> None:
    rule = ChampionRule(promote_if="significantly_better", if_not_comparable="bounds_alone")
    decision = decide(METRICS, UNREADABLE, GateConfig(champion=rule))
    assert (decision.promoted, decision.champion_version) == (True, 3)
    assert decision.reason == (
        "Promoted: all 4 rules passed; cannot be compared with champion version 3: it cannot read "
        "9 of the 24 test rows; the other rules decide, as gate.champion.if_not_comparable is "
        "bounds_alone."
    )
    strict = GateConfig(bounds={"accuracy": Bound(min=0.99)}, champion=rule)
    assert not decide(METRICS, UNREADABLE, strict).promoted


def test_the_bounds_alone_decide_nothing_about_a_champion_that_can_be_compared_with() -> None:
    rule = ChampionRule(if_not_comparable="bounds_alone")
    assert not decide(METRICS, against(0, 13), GateConfig(champion=rule)).promoted


@pytest.mark.parametrize(
    ("changes", "rule", "promoted"),
    [
        ({"same_model": True}, ChampionRule(), True),
        ({"rolled_back": True}, ChampionRule(if_not_comparable="bounds_alone"), False),
        ({}, ChampionRule(promote_if="always"), True),
    ],
)
def test_what_needs_no_comparison_is_decided_without_one(
    changes: dict[str, bool], rule: ChampionRule, promoted: bool
) -> None:
    champion = dataclasses.replace(UNREADABLE, **changes)  # type: ignore[arg-type]
    decision = decide(METRICS, champion, GateConfig(champion=rule))
    assert decision.promoted == promoted
    assert "cannot be compared" not in decision.reason
    assert rule_of(decision, "champion")[0] == promoted


def test_labels_that_one_of_the_two_does_not_know_are_named() -> None:
    champion = dataclasses.replace(
        against(7, 0),
        unknown_to_champion={"new": 5},
        unknown_to_candidate={"old": 0, "b": 0, "c": 0, "d": 0},
    )
    gate = GateConfig(champion=ChampionRule(promote_if="not_significantly_worse"))
    reason = rule_of(decide(METRICS, champion, gate), "champion")[1]
    assert reason.endswith(
        '; the champion does not know label "new", and so is wrong on 5 test examples'
        '; the candidate does not know labels "old", "b", "c" and 1 more, which no test example has'
    )


@given(COUNT, COUNT)
def test_mcnemar_agrees_with_scipy(ours: int, theirs: int) -> None:
    if ours + theirs:
        expected = stats.binomtest(ours, ours + theirs, 0.5, alternative="less").pvalue
        assert mcnemar_worse(ours, theirs) == pytest.approx(expected, rel=1e-9)
    else:
        assert mcnemar_worse(0, 0) == 1


@given(COUNT, COUNT)
def test_mcnemar_is_symmetric(ours: int, theirs: int) -> None:
    """Both tails together count the observed outcome twice."""
    trials = ours + theirs
    observed = math.comb(trials, ours) / 2**trials
    both = mcnemar_worse(ours, theirs) + mcnemar_worse(theirs, ours)
    assert both == pytest.approx(1 + observed, rel=1e-9)


@given(st.floats(-1, 2), UNIT, UNIT, COUNT, COUNT, st.data())
def test_tightening_never_turns_a_refusal_into_a_promotion(
    seen: float, limit: float, recall: float, ours: int, theirs: int, data: st.DataObject
) -> None:
    metrics = dataclasses.replace(
        reaching(accuracy=seen, ece=seen), per_class=(class_metrics("a", recall),)
    )
    floor, alpha, least = data.draw(UNIT), data.draw(st.floats(0.01, 0.5)), data.draw(COUNT)
    loose = _gate(limit, 1 - limit, floor, alpha, least + 1)
    tight = _gate(
        data.draw(st.floats(limit, 1)),
        data.draw(st.floats(0, 1 - limit)),
        data.draw(st.floats(floor, 1)),
        data.draw(st.floats(alpha, 0.9)),
        least + 1 + data.draw(COUNT),
    )
    champion = against(ours, theirs)
    if decide(metrics, champion, tight).promoted:
        assert decide(metrics, champion, loose).promoted


def _gate(least: float, most: float, recall: float, alpha: float, examples: int) -> GateConfig:
    return GateConfig(
        bounds={"accuracy": Bound(min=least), "ece": Bound(max=most)},
        min_examples=examples,
        per_class=PerClassFloor(min_recall=recall),
        champion=ChampionRule(promote_if="not_significantly_worse", alpha=alpha),
    )


@given(UNIT, UNIT, COUNT, COUNT, st.permutations(METRICS.per_class))
def test_a_decision_promotes_exactly_if_all_rules_pass_in_any_order_of_the_classes(
    seen: float, limit: float, ours: int, theirs: int, classes: list[ClassMetrics]
) -> None:
    gate = GateConfig(
        bounds={"accuracy": Bound(min=limit)}, per_class=PerClassFloor(min_recall=limit)
    )
    metrics = reaching(accuracy=seen)
    decision = decide(metrics, against(ours, theirs), gate)
    assert decision.promoted == all(rule.passed for rule in decision.rules)
    assert decision.reason.startswith("Promoted" if decision.promoted else "Refused")
    assert all(rule.reason and rule.bound for rule in decision.rules)
    shuffled = dataclasses.replace(metrics, per_class=tuple(classes))
    assert decide(shuffled, against(ours, theirs), gate) == decision


def test_the_gate_loads_nothing_heavy() -> None:
    code = (
        "import sys, components.evaluation.gate; "
        "print(sorted({'tensorflow', 'mlflow', 'numpy', 'scipy', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_that_a_person_rolled_back_is_refused_however_good_it_is() -> None:
    candidate = dataclasses.replace(against(50, 0), rolled_back=True)
    decision = decide(METRICS, candidate, GateConfig(min_examples=1))
    assert not decision.promoted
    assert "a person turned this very model down" in decision.reason
    always = GateConfig(min_examples=1, champion=ChampionRule(promote_if="always"))
    assert not decide(METRICS, candidate, always).promoted


def of_rows(p_worse: float, p_better: float) -> ChampionMetrics:
    """Steps of rows: the counts would say the contrary."""
    rows = PairedRows(-0.0125, 7, 1, p_worse, p_better, 0.5)
    metrics = dataclasses.replace(METRICS, task="per_step")
    return dataclasses.replace(against(0, 400), metrics=metrics, paired_rows=rows)


@pytest.mark.parametrize(("p_worse", "passed", "p"), [(0.3, True, "0.3"), (0.04, False, "0.04")])
def test_where_each_step_has_a_label_the_rows_are_paired(
    p_worse: float, passed: bool, p: str
) -> None:
    rule = ChampionRule(promote_if="not_significantly_worse", alpha=0.05, margin_points=2)
    gate = GateConfig(min_examples=1, champion=rule)
    decision = decide(METRICS, of_rows(p_worse, 1 - p_worse), gate)
    found, reason = rule_of(decision, "champion")
    assert found == passed
    assert reason.endswith(
        "the share of a row's steps that are right differs by -1.25 points on average; the "
        "candidate is ahead on 7 rows, the champion on 1 row (sign-flip permutation test of the "
        f"rows, p = {p})"
    )


def test_labels_that_a_model_does_not_know_are_counted_in_steps() -> None:
    unknown = dataclasses.replace(of_rows(0.5, 0.5), unknown_to_champion={"new": 12})
    _, reason = rule_of(decide(METRICS, unknown, GateConfig(min_examples=1)), "champion")
    assert reason.endswith('does not know label "new", and so is wrong on 12 test steps')


def paid(mean_difference: float, p_worse: float, squares: float = 4.0) -> PairedRows:
    p_better = 1 - p_worse
    return PairedRows(mean_difference, 9, 3, p_worse, p_better, squares, costs_digest="c")


@pytest.mark.parametrize(("p_worse", "passes"), [(0.9, True), (0.001, False)])
def test_models_may_be_compared_by_what_their_answers_cost(p_worse: float, passes: bool) -> None:
    rule = ChampionRule(promote_if="not_significantly_worse")
    gate = GateConfig(champion=rule, compare_by="expected_cost")
    # By right answers it is the other way round.
    champion = dataclasses.replace(
        against(0, 30) if passes else against(30, 0), paired_costs=paid(0.02, p_worse)
    )
    decision = decide(METRICS, champion, gate)
    assert decision.promoted == passes
    assert rule_of(decision, "champion")[1].split(": ", 1)[1] == (
        "the candidate's answers to a row cost 2 % of the largest cost less on average; the "
        "candidate costs less on 9 rows, the champion on 3 rows "
        f"(sign-flip permutation test of the rows, p = {p_worse:.4g})"
    )
    assert decision.look is None or decision.look.against[0].costs_digest == "c"
    assert decide(METRICS, champion, GateConfig(champion=rule)).promoted != passes


def test_the_cheap_model_is_compared_by_cost_too() -> None:
    baseline = beside(30, 0)
    pairs = dataclasses.replace(baseline.pairs, costs=paid(-0.05, 0.001))
    baseline = dataclasses.replace(baseline, pairs=pairs)
    rule = BaselineRule(require="not_significantly_worse")
    gate = GateConfig(baseline=rule, compare_by="expected_cost")
    decision = decide(METRICS, None, gate, baseline)
    passed, reason = rule_of(decision, "baseline")
    assert not passed
    assert "cost 5 % of the largest cost more on average" in reason
    (note,) = (each for each in decision.notes if "trains in seconds" in each)
    assert "is significantly worse than" in note
    assert "cost 5 % of the largest cost more on average" in note


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("top_3_accuracy", "of more than 3 labels, with metrics.top_k: 3, and there are 3 labels"),
        ("expected_cost", "where the config has metrics.costs, and"),
        ("macro_roc_auc", "of 3 to 128 labels, if labels times test examples are at most"),
        ("brier", "Brier score was not measured"),
    ],
)
def test_a_bound_on_what_is_not_measured_fails_and_says_what_it_takes(key: str, words: str) -> None:
    decision = decide(METRICS, None, GateConfig(bounds={key: Bound(max=0.5)}))
    passed, reason = rule_of(decision, f"{key}.max")
    assert not passed
    assert words in reason
