"""Epochs become steps: whole ones, and never too few."""

from __future__ import annotations

import random

import pytest

from components.config import TrainingConfig
from components.training.steps import Steps, as_many_epochs, steps_of


def test_a_number_of_steps_is_taken_as_it_is_whatever_the_rows() -> None:
    training = TrainingConfig(max_steps=70, evaluate_every_steps=30)
    assert steps_of(training, 1) == steps_of(training, 10**9) == Steps(70, 70, 30, 300)


def test_a_config_without_any_length_has_that_of_the_releases_before_epochs() -> None:
    assert steps_of(TrainingConfig(), 10) == Steps(1000, 1000, 50, 300)


def test_epochs_are_rounded_up_to_whole_steps() -> None:
    training = TrainingConfig(
        batch_size=32, max_epochs=3, evaluate_every_epochs=2, early_stopping_patience_epochs=5
    )
    assert steps_of(training, 100) == Steps(end=10, schedule_end=10, evaluate_every=7, patience=16)


def test_with_epochs_each_is_evaluated_if_nothing_else_is_said() -> None:
    assert steps_of(TrainingConfig(batch_size=32, max_epochs=3), 100).evaluate_every == 4
    by_steps = TrainingConfig(batch_size=32, max_epochs=3, evaluate_every_steps=9)
    assert steps_of(by_steps, 100).evaluate_every == 9


@pytest.mark.parametrize("seed", range(5))
def test_of_any_rows_and_batches_each_row_is_seen_as_often_as_asked_and_less_than_once_more(
    seed: int,
) -> None:
    draw = random.Random(seed)
    for _ in range(200):
        rows, batch, epochs = draw.randint(1, 10_000), draw.randint(1, 512), draw.randint(1, 200)
        steps = steps_of(TrainingConfig(batch_size=batch, max_epochs=epochs), rows)
        assert epochs * rows <= steps.end * batch < epochs * rows + batch
        # Never 0, which would train nothing, or evaluate without end.
        assert 1 <= steps.evaluate_every <= steps.end


@pytest.mark.parametrize("seed", range(5))
def test_a_fit_to_more_rows_sees_each_as_often_up_to_the_step_that_was_chosen(seed: int) -> None:
    draw = random.Random(seed)
    for _ in range(200):
        rows, end = draw.randint(1, 10_000), draw.randint(1, 5_000)
        more, chosen = rows + draw.randint(0, rows), draw.randint(1, end)
        steps = as_many_epochs(Steps(end, end, 7, 300), chosen, rows, more)
        assert chosen / rows <= steps.end / more < chosen / rows + 1 / more
        assert chosen <= steps.end <= steps.schedule_end
        assert (steps.end == steps.schedule_end) is (chosen == end) or end - chosen < rows
        assert (steps.evaluate_every, steps.patience) == (7, None)


def test_a_fit_to_the_same_rows_is_the_same() -> None:
    steps = Steps(100, 100, 10, None)
    assert as_many_epochs(steps, 100, 55, 55) == steps
