"""RunConfig."""

from __future__ import annotations

from typing import Any

import pytest

from rnn_core import ArgumentError, RunConfig, UnsupportedError


def test_checkpoints_are_saved_every_ten_minutes_by_default() -> None:
    assert RunConfig().save_checkpoints_secs == 600
    assert RunConfig().save_checkpoints_steps is None


def test_saving_by_steps_replaces_saving_by_time() -> None:
    assert RunConfig(save_checkpoints_steps=5).save_checkpoints_secs is None
    assert RunConfig().replace(save_checkpoints_steps=5).save_checkpoints_secs is None
    assert RunConfig(save_checkpoints_steps=5).replace(model_dir="x").save_checkpoints_steps == 5


def test_none_and_none_saves_at_the_end_only() -> None:
    config = RunConfig(save_checkpoints_steps=None, save_checkpoints_secs=None)
    assert (config.save_checkpoints_steps, config.save_checkpoints_secs) == (None, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"save_checkpoints_steps": 1, "save_checkpoints_secs": 1},
        {"save_checkpoints_steps": 0},
        {"save_summary_steps": -1},
        {"log_step_count_steps": 0},
        {"keep_checkpoint_max": -1},
    ],
)
def test_a_value_out_of_range_is_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(wrong))):
        RunConfig(**wrong)


def test_a_distribution_strategy_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="train_distribute"):
        RunConfig(train_distribute=object())
