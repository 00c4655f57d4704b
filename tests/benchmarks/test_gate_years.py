"""Years of nights through the gate, few and small; docs/gate.md has those of the whole table."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.gate_years import Grid, Setting, run, simulate
from components.gate_config import ChampionRule


@pytest.mark.parametrize("same_rows", [False, True])
@pytest.mark.parametrize("change", [{"decay_points": 0.05}, {"step_points": -1.6}])
def test_a_year_of_worse_candidates_does_not_wear_the_champion_down(
    same_rows: bool, change: dict[str, float]
) -> None:
    years = simulate(Setting(2_000, 0.95, 0.6, same_rows, **change), 200)  # type: ignore[arg-type]
    assert years.kept(1.5) >= 0.99


def test_an_improvement_of_two_points_is_promoted_within_three_nights_of_new_rows() -> None:
    for accuracy in (0.6, 0.8, 0.94):
        setting = Setting(2_000, accuracy, 0.3, step_points=2, nights=20)
        assert np.median(simulate(setting, 200).first) <= 3


@pytest.mark.parametrize("same_rows", [False, True])
def test_equal_candidates_move_the_champion_at_most_once_a_month(same_rows: bool) -> None:
    years = simulate(Setting(10_000, 0.8, 0.6, same_rows), 60)
    assert years.moves.mean() <= 12


def test_on_the_same_rows_nights_do_not_add_up() -> None:
    new, same = (
        simulate(Setting(2_000, 0.6, 0.3, same, step_points=2, nights=20), 200)
        for same in (False, True)
    )
    assert np.median(new.first) < np.median(same.first)


def test_a_gate_without_a_margin_to_speak_of_would_be_worn_down() -> None:
    """The simulation itself can show a fault: with a margin of 30 points nothing is bounded."""
    rule = ChampionRule(margin_points=30, promote_when_older_than_days=1)
    years = simulate(Setting(2_000, 0.9, 0.6, decay_points=0.05), 20, rule)
    assert years.kept(1.5) == 0
    assert years.lost_points.mean() > 5


def test_the_true_rate_of_disagreement_is_the_one_that_is_said() -> None:
    # One night, one candidate: what the simulated rows say of two models is what was asked for.
    better = simulate(Setting(10_000, 0.6, 0.3, step_points=5, nights=1), 100)
    equal = simulate(Setting(10_000, 0.6, 0.3, nights=1), 2_000)
    assert better.moves.mean() == 1
    assert equal.moves.mean() <= 0.01


def test_the_tables_are_those_of_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    run(Grid(rows=[200], accuracies=[0.99], kappas=[0.6], years=10))
    lines = capsys.readouterr().out.splitlines()
    assert "| 200 | new ones | 100 | 100.00 % | 100.0 % | " in "\n".join(lines)
    assert lines[-1].startswith("| 200 | the same | 0.94 | ")
