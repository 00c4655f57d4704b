"""The checkpoints of one training."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

import rnn_core
from rnn_core import Hook, HookContext, RunConfig
from rnn_core.loops.checkpointing import Saving
from rnn_core.loops.input_position import InputPosition
from rnn_core.loops.interruption import Interrupted, Interruption
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.storage import checkpoints
from rnn_core.storage.summaries import EventWriter
from tests.rnn_core.samples import Data, make_estimator


class Listener(Hook):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        assert checkpoints.exists(checkpoint_path)
        self.seen.append(Path(checkpoint_path).name)


class Run:
    """A model with its saving, at any step that a test wants."""

    def __init__(self, data: Data, directory: Path, *hooks: Hook, **config: Any) -> None:
        self.model = TrainableModel(make_estimator(directory).new_model("train"))
        self.position = InputPosition(data.train_input())
        self.context = HookContext(model_dir=str(directory))
        self.interruption = Interruption()
        self.saving = Saving(
            self.model,
            self.position,
            RunConfig(**{"save_checkpoints_steps": 4, **config}),
            self.context,
            EventWriter(str(directory)),
            self.interruption,
        )
        self.saving.hooks = hooks

    def save_at(self, step: int) -> None:
        self.model.global_step.assign(step)
        self.context.global_step = step
        self.saving.save()


def test_a_hook_that_wants_a_checkpoint_gets_it_at_once(data: Data, tmp_path: Path) -> None:
    listener = Listener()
    run = Run(data, tmp_path, listener)
    run.save_at(4)
    assert listener.seen == ["model.ckpt-4"]
    run.save_at(4)
    assert listener.seen == ["model.ckpt-4"]


def test_without_one_it_is_there_at_the_end(data: Data, tmp_path: Path) -> None:
    run = Run(data, tmp_path, Hook())
    for step in (4, 8):
        run.save_at(step)
    run.saving.wait()
    assert run.context.checkpoint_path == str(tmp_path / "model.ckpt-8")
    assert checkpoints.newest_intact(str(tmp_path)) == str(tmp_path / "model.ckpt-8")
    assert checkpoints.exists(str(tmp_path / "model.ckpt-4"))


def test_a_restored_training_has_its_step_and_its_position(data: Data, tmp_path: Path) -> None:
    first = Run(data, tmp_path)
    first.position.batches = 5
    next(first.position.iterator)
    first.save_at(5)
    first.saving.wait()
    second = Run(data, tmp_path)
    assert second.saving.restore(None)
    assert int(second.model.global_step.numpy()) == 5
    assert second.position.batches == 5
    first.saving.forget_position()
    assert not Run(data, tmp_path).saving.restore(None)


def test_periods_are_in_steps_or_in_seconds(data: Data, tmp_path: Path) -> None:
    by_steps = Run(data, tmp_path).saving
    assert [step for step in range(1, 10) if by_steps.is_due(step)] == [4, 8]
    assert not by_steps.is_due_by_time()
    by_time = Run(data, tmp_path, save_checkpoints_steps=None, save_checkpoints_secs=1e-9).saving
    assert not by_time.is_due(4)
    assert by_time.is_due_by_time()


def test_a_saver_hook_takes_the_place_of_the_periods(data: Data, tmp_path: Path) -> None:
    hook = rnn_core.CheckpointSaverHook(str(tmp_path), save_steps=3)
    assert not Run(data, tmp_path, hook).saving.is_due(4)


def test_a_signal_does_not_wait_for_hooks_that_look_at_a_checkpoint(
    data: Data, tmp_path: Path
) -> None:
    class Slow(Hook):
        def after_save(self, context: HookContext, checkpoint_path: str) -> None:
            signal.raise_signal(signal.SIGTERM)
            pytest.fail("it went on")

    run = Run(data, tmp_path, Slow())
    with run.interruption, pytest.raises(Interrupted):
        run.save_at(4)
    assert checkpoints.newest_intact(str(tmp_path)) == str(tmp_path / "model.ckpt-4")
