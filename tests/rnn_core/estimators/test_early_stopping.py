"""Early stopping."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rnn_core import (
    ArgumentError,
    HookContext,
    make_early_stopping_hook,
    stop_if_higher_hook,
    stop_if_lower_hook,
    stop_if_no_decrease_hook,
    stop_if_no_increase_hook,
)
from rnn_core.estimators.early_stopping import steps_without_improvement
from rnn_core.storage.summaries import EventWriter
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


@pytest.mark.parametrize(
    ("make", "threshold", "min_steps", "stops"),
    [
        (stop_if_higher_hook, 1.5, 0, True),
        (stop_if_higher_hook, 2.0, 0, False),
        (stop_if_higher_hook, 1.5, 40, False),
        (stop_if_lower_hook, 1.5, 0, True),
        (stop_if_lower_hook, 1.0, 0, False),
        (stop_if_lower_hook, 1.5, 20, False),
    ],
)
def test_a_threshold_that_any_evaluation_crossed_stops(
    tmp_path: Path, make: Any, threshold: float, min_steps: int, stops: bool
) -> None:
    evaluated(str(tmp_path / "eval"), {10: 1.0, 20: 2.0, 30: 1.7})
    hook = make(make_estimator(tmp_path), "metric", threshold, None, min_steps, None, 10)
    context = HookContext(global_step=30)
    hook.after_steps(context)
    assert context.stop_requested is stops


def test_a_function_of_ones_own_stops(tmp_path: Path) -> None:
    answers = iter([False, True])
    hook = make_early_stopping_hook(make_estimator(tmp_path), lambda: next(answers), None, 10)
    context = HookContext(global_step=10)
    hook.after_steps(context)
    assert not context.stop_requested
    hook.after_steps(context)
    assert context.stop_requested


@pytest.mark.parametrize(("estimator", "function"), [(None, bool), (make_estimator, None)])
def test_what_cannot_decide_is_refused(tmp_path: Path, estimator: Any, function: Any) -> None:
    with pytest.raises(TypeError, match="expected a"):
        make_early_stopping_hook(estimator and estimator(tmp_path), function)


def test_a_clock_lets_time_pass_between_two_decisions(tmp_path: Path) -> None:
    evaluated(str(tmp_path / "eval"), {10: 1.0})
    hook = stop_if_higher_hook(make_estimator(tmp_path), "metric", 0.5, run_every_secs=3600)
    context = HookContext(global_step=100)
    hook.after_steps(context)
    assert not context.stop_requested


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
