"""How many steps may run before somebody must look."""

from __future__ import annotations

import time

import pytest

from rnn_core import Hook, RunConfig
from rnn_core.loops.pace import Pace, is_due, steps_until_due


class Seventh(Hook):
    every_steps = 7


@pytest.mark.parametrize(("step", "expected"), [(0, 1), (1, 6), (7, 3), (45, 4), (98, 2), (10, 4)])
def test_steps_run_until_somebody_must_look(step: int, expected: int) -> None:
    config = RunConfig(save_summary_steps=10, log_step_count_steps=15, save_checkpoints_steps=50)
    looks = [Seventh().next_step_due(step)]
    assert steps_until_due(step, config, 100, looks) == expected


def test_no_more_steps_run_than_are_allowed() -> None:
    config = RunConfig(save_summary_steps=None, log_step_count_steps=None)
    assert steps_until_due(3, config, None, [None], 12) == 12


def test_a_period_of_none_is_never_due() -> None:
    assert not is_due(10, None)
    assert is_due(10, 5)


def test_slow_steps_are_looked_at_each() -> None:
    pace = Pace()
    assert pace.max_steps == 1
    pace.begin()
    time.sleep(0.02)
    pace.end(1)
    assert 1 <= pace.max_steps <= 50


def test_fast_steps_run_blind_for_a_while_and_not_for_ever() -> None:
    pace = Pace()
    pace.begin()
    pace.end(10**6)
    assert pace.max_steps == 100


def test_nothing_is_learned_from_no_step() -> None:
    pace = Pace()
    pace.begin()
    pace.end(0)
    assert pace.max_steps == 1
