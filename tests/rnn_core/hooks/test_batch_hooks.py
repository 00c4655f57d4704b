"""Hooks around the batches of an evaluation or a prediction."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from rnn_core import Hook, HookContext, ModeKeys
from rnn_core.hooks.batch_hooks import BatchHooks


class Watch(Hook):
    """Looks at every second batch and stops after four."""

    every_steps = 2

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def begin(self, context: HookContext) -> None:
        self.seen += [context.mode, context.model_dir, context.checkpoint_path]
        self.seen.append(int(context.variables["global_step"].numpy()))

    def before_steps(self, context: HookContext) -> None:
        self.seen.append("before")

    def after_steps(self, context: HookContext) -> None:
        self.seen.append((context.batches, context.global_step, context.loss))
        if context.batches == 4:
            context.request_stop()

    def end(self, context: HookContext) -> None:
        self.seen.append("end")


def test_hooks_look_by_the_number_of_batches_and_may_stop() -> None:
    hook = Watch()
    batch_hooks = BatchHooks([hook], ModeKeys.EVAL, "somewhere")
    batch_hooks.begin({"a": tf.Variable(1.0)}, 9, "somewhere/model.ckpt-9")
    losses = iter([0.5, 0.25, 0.75, 1.0, 2.0])
    while not batch_hooks.stopped:
        batch_hooks.before_batch()
        batch_hooks.after_batch(next(losses))
    batch_hooks.end()
    begun = [ModeKeys.EVAL, "somewhere", "somewhere/model.ckpt-9", 9]
    looks = ["before", "before", (2, 9, 0.25), "before", "before", (4, 9, 1.0)]
    assert hook.seen == [*begun, *looks, "end"]


def test_nobody_looks_by_default() -> None:
    batch_hooks = BatchHooks(None, ModeKeys.PREDICT, "somewhere")
    assert not batch_hooks
    batch_hooks.begin({}, 0, None)
    batch_hooks.before_batch()
    batch_hooks.after_batch()
    batch_hooks.end()
    assert not batch_hooks.stopped
