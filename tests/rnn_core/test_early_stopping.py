"""Early stopping."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnn_core import (
    ArgumentError,
    HookContext,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from rnn_core.early_stopping import steps_without_improvement
from rnn_core.summaries import EventWriter
from tests.rnn_core.samples import make_estimator


@pytest.mark.parametrize(
    ("values", "higher_is_better", "expected"),
    [
        ({}, False, 0),
        ({10: 1.0}, False, 0),
        ({10: 1.0, 20: 0.5, 30: 0.7, 40: 0.6}, False, 20),
        ({10: 1.0, 20: 0.5, 30: 0.7, 40: 0.4}, False, 10),
        ({10: 1.0, 20: 0.5}, True, 10),
        ({10: 1.0, 20: 1.0}, True, 10),
    ],
)
def test_steps_are_counted_from_the_best_evaluation(
    values: dict[int, float], higher_is_better: bool, expected: int
) -> None:
    assert steps_without_improvement(values, higher_is_better) == expected


def evaluated(directory: str, values: dict[int, float]) -> None:
    writer = EventWriter(directory)
    for step, value in values.items():
        writer.write({"metric": value}, step)
    writer.close()


def test_a_hook_stops_by_what_the_event_files_say(tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    evaluated(estimator.eval_dir(), {10: 1.0, 20: 2.0, 30: 2.0})
    stops = {
        make.__name__: make(estimator, "metric", 20, run_every_secs=None, run_every_steps=10)
        for make in (stop_if_no_decrease_hook, stop_if_no_increase_hook)
    }
    requested = {}
    for name, hook in stops.items():
        context = HookContext(global_step=30)
        hook.after_steps(context)
        requested[name] = context.stop_requested
    assert requested == {"stop_if_no_decrease_hook": True, "stop_if_no_increase_hook": False}


@pytest.mark.parametrize(("step", "stops"), [(30, True), (25, False), (0, False)])
def test_a_restart_takes_only_a_decision_that_was_due(
    tmp_path: Path, step: int, stops: bool
) -> None:
    estimator = make_estimator(tmp_path)
    evaluated(estimator.eval_dir(), {10: 1.0, 30: 2.0})
    hook = stop_if_no_decrease_hook(
        estimator, "metric", 20, run_every_secs=None, run_every_steps=10
    )
    context = HookContext(global_step=step)
    hook.begin(context)
    assert context.stop_requested is stops


def test_evaluations_before_min_steps_do_not_count(tmp_path: Path) -> None:
    evaluated(str(tmp_path / "eval"), {10: 1.0, 30: 2.0})
    hook = stop_if_no_decrease_hook(make_estimator(tmp_path), "metric", 20, None, 20, None, 10)
    context = HookContext(global_step=30)
    hook.after_steps(context)
    assert not context.stop_requested


def test_two_clocks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="run_every_secs"):
        stop_if_no_decrease_hook(make_estimator(tmp_path), "metric", 20, run_every_steps=10)
