"""The slices in the report: by what the candidate loses."""

from __future__ import annotations

import dataclasses

from components.artifacts.values import Interval, Pairs, SliceMetrics, Slices
from components.evaluation.gate import decide
from components.gate_config import Bound, ChampionRule, GateConfig, SliceConfig
from components.report.slices import slice_rows
from tests.components.evaluation.test_gate import METRICS, against, interval

GATE = GateConfig(
    champion=ChampionRule(promote_if="always", alpha=0.05),
    slices=(
        SliceConfig(
            by="customer", no_worse_than_champion=True, bounds={"accuracy": Bound(min=0.8)}
        ),
        SliceConfig(by="length", edges=(9,)),
    ),
)


def seen(name: str, ours: int, theirs: int, entry: int = 0, rows: int = 40) -> SliceMetrics:
    lost = (ours - theirs) / rows
    champion = interval(0.85)
    return SliceMetrics(
        name, "1 to 8", entry, rows, {"accuracy": interval(0.85 + lost)}, champion,
        Pairs(rows - ours - theirs, ours, theirs, 0), Interval(lost, lost - 0.1, lost + 0.1),
    )  # fmt: skip


SLICES = Slices(
    (
        seen("customer: A", 5, 2),
        seen("customer: B", 1, 12),
        SliceMetrics("customer: none", "", 0, 0),
        seen("length: below 9", 2, 4, entry=1),
        seen("customer: few", 0, 1, rows=5),
    )
)
DECISION = decide(METRICS, against(8, 19), GATE, slices=SLICES)


def test_the_largest_loss_comes_first_and_what_has_no_row_last() -> None:
    rows = slice_rows(SLICES, DECISION)
    assert [row.name for row in rows] == [
        "customer: B", "customer: few", "length: below 9", "customer: A", "customer: none",
    ]  # fmt: skip
    differences = [row.difference.value for row in rows if row.difference]
    assert differences == sorted(differences)


def test_each_has_what_it_was_judged_by_and_what_failed() -> None:
    rows = {row.name: row for row in slice_rows(SLICES, DECISION)}
    failed = rows["customer: B"]
    assert (failed.rules, failed.failed) == (2, ("accuracy.min", "champion"))
    rule = next(rule for rule in DECISION.rules if rule.rule == "slices.customer: B.champion")
    assert failed.adjusted_p == rule.value
    assert (rows["customer: A"].rules, rows["customer: A"].failed) == (2, ())
    for name in ("customer: few", "customer: none", "length: below 9"):
        assert (rows[name].rules, rows[name].adjusted_p) == (0, None)


def test_without_a_champion_the_lowest_accuracy_comes_first() -> None:
    alone = Slices(
        tuple(
            dataclasses.replace(each, champion_accuracy=None, pairs=None, difference=None)
            for each in SLICES.measured
        )
    )
    rows = slice_rows(alone, decide(METRICS, None, GATE, slices=alone))
    assert [row.name for row in rows][0::4] == ["customer: B", "customer: none"]
