"""The page of a sweep."""

from __future__ import annotations

import math

import pytest

from components.report.sweep import SweepInputs, TrialRow, render_sweep

INPUTS = SweepInputs(
    title="vowels",
    sweep="vowels-1a2b3c4d",
    metric="validation/accuracy",
    space={"model.units": "[32], [64]", "seed": "1..9"},
    trials=[
        TrialRow(2, ["[64]", "3"], "0.9500", curve=([10, 20], [0.9, 0.95])),
        TrialRow(1, ["[32]", "1"], "pruned", curve=([10], [0.4])),
        TrialRow(3, ["[32]", "2"], "failed", "the <loss> is not finite", ([10], [-math.inf])),
    ],
    as_it_was="0.9300",
    importances={"model.units": 0.9, "seed": 0.1},
    run_id="20261201-030000-abcd",
)


@pytest.fixture(scope="module")
def page() -> str:
    return render_sweep(INPUTS)


def test_the_best_comes_first_beside_the_settings_of_the_config(page: str) -> None:
    assert page.index("<b>0.9500</b>") < page.index("<b>0.9300</b>") < page.index("pruned")
    assert "best trial, number 2" in page


def test_why_a_trial_failed_is_shown_as_text(page: str) -> None:
    assert "the &lt;loss&gt; is not finite" in page


def test_it_has_a_curve_and_a_bar_for_each_parameter_and_runs_no_script(page: str) -> None:
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")


def test_without_importances_it_says_why() -> None:
    few = render_sweep(
        SweepInputs("vowels", "id", "validation/accuracy", {"seed": "1, 2"}, INPUTS.trials[:1])
    )
    assert "Too few trials came to their end" in few
    assert "a run of the best settings is held against the gate" in few
