"""When a hook is due."""

from __future__ import annotations

import time

import pytest

from rnn_core import ArgumentError
from rnn_core.hooks.periods import Period


def test_a_period_of_steps_is_due_at_the_first_step_and_then_every_so_many() -> None:
    period, step, due = Period("Hook", 3, None), 0, []
    while step < 10:
        step = period.next_step(step)
        elapsed = period.due(step)
        assert elapsed is not None
        due.append((step, elapsed[0]))
    assert due == [(1, 0), (4, 3), (7, 3), (10, 3)]


def test_a_period_is_not_due_before_its_time() -> None:
    period = Period("Hook", 3, None)
    period.restart(5)
    assert [period.due(step) is not None for step in (6, 7, 8, 9)] == [False, False, True, False]
    assert not period.is_next(9)
    assert period.is_next(10)


def test_a_period_of_seconds_is_due_by_the_clock() -> None:
    period = Period("Hook", None, 0.02)
    assert period.is_next(0)
    assert period.due(1) == (0, 0.0)
    assert period.due(2) is None
    time.sleep(0.03)
    assert period.is_next(2)
    elapsed = period.due(3)
    assert elapsed is not None
    assert elapsed[0] == 2
    assert elapsed[1] >= 0.02


def test_the_next_look_at_the_clock_is_as_far_as_steps_are_fast() -> None:
    period = Period("Hook", None, 3600.0)
    assert period.due(1) is not None
    assert period.next_step(1) == 2
    period.due(2)
    assert period.next_step(2) == 102


@pytest.mark.parametrize(
    ("steps", "seconds"), [(None, None), (1, 1.0), (0, None), (None, 0.0), (-1, None)]
)
def test_one_positive_period_is_expected(steps: int | None, seconds: float | None) -> None:
    with pytest.raises(ArgumentError, match="Hook: expected a"):
        Period("Hook", steps, seconds)
