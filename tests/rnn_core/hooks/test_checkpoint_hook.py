"""Checkpoints at moments of a hook."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

import rnn_core
from tests.rnn_core.samples import Data, make_estimator


def steps_in(directory: Path) -> list[str]:
    state = tf.train.get_checkpoint_state(str(directory))
    return [path.rpartition("-")[2] for path in state.all_model_checkpoint_paths]


@pytest.mark.slow
def test_in_the_model_dir_a_hook_takes_the_place_of_the_config(data: Data, tmp_path: Path) -> None:
    seen: list[int] = []

    class Listener(tf.compat.v1.train.CheckpointSaverListener):
        def after_save(self, session: Any, global_step_value: int) -> None:
            seen.append(global_step_value)

    hook = rnn_core.CheckpointSaverHook(str(tmp_path), save_steps=3, listeners=[Listener()])
    make_estimator(tmp_path).train(data.train_input, hooks=[hook], max_steps=7)
    assert steps_in(tmp_path) == ["0", "3", "6", "7"]
    assert seen == [0, 3, 6, 7]
    assert (tmp_path / "model.ckpt-6.input.index").exists()


@pytest.mark.slow
def test_in_another_directory_it_keeps_more(data: Data, tmp_path: Path) -> None:
    more = tmp_path / "more"
    hook = rnn_core.CheckpointSaverHook(str(more), save_steps=5)
    estimator = make_estimator(tmp_path)
    estimator.train(data.train_input, hooks=[hook], max_steps=6)
    assert steps_in(tmp_path) == ["0", "4", "6"]
    assert steps_in(more) == ["0", "5", "6"]
    whole = estimator.evaluate(data.eval_input)
    last = tf.train.latest_checkpoint(str(more))
    assert estimator.evaluate(data.eval_input, checkpoint_path=last) == whole


@pytest.mark.slow
def test_a_period_of_seconds_goes_by_the_clock(data: Data, tmp_path: Path) -> None:
    class Wait(rnn_core.Hook):
        every_steps = 1

        def after_steps(self, context: rnn_core.HookContext) -> None:
            if context.global_step == 1:
                time.sleep(0.5)

    hook = rnn_core.CheckpointSaverHook(str(tmp_path), save_secs=0.4)
    make_estimator(tmp_path).train(data.train_input, hooks=[Wait(), hook], max_steps=4)
    assert "1" in steps_in(tmp_path)


@pytest.mark.slow
def test_a_hook_may_ask_for_a_checkpoint(data: Data, tmp_path: Path) -> None:
    class Ask(rnn_core.Hook):
        every_steps = 3

        def after_steps(self, context: rnn_core.HookContext) -> None:
            context.request_checkpoint()

    make_estimator(tmp_path).train(data.train_input, hooks=[Ask()], max_steps=5)
    assert steps_in(tmp_path) == ["0", "3", "4", "5"]


@pytest.mark.parametrize(
    "arguments", [{"saver": object()}, {"scaffold": object()}, {"checkpoint_basename": "other"}]
)
def test_what_needs_a_session_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(rnn_core.UnsupportedError, match="CheckpointSaverHook"):
        rnn_core.CheckpointSaverHook("somewhere", save_steps=1, **arguments)


def test_a_period_is_needed() -> None:
    with pytest.raises(rnn_core.ArgumentError, match="CheckpointSaverHook"):
        rnn_core.CheckpointSaverHook("somewhere")
