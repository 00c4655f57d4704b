"""Hooks around the batches of an evaluation or a prediction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import tensorflow as tf

from rnn_core.hooks.adapters import adapt
from rnn_core.hooks.base import HookContext


class BatchHooks:
    """Calls hooks before, at and after the batches of one evaluation or prediction.

    Raises:
        ArgumentTypeError, UnsupportedError: one of ``hooks`` cannot be used.
    """

    def __init__(self, hooks: Iterable[Any] | None, mode: str, model_dir: str) -> None:
        self._hooks = adapt(hooks)
        self._context = HookContext(mode=mode, model_dir=model_dir)
        self._due_steps: list[int | None] = []

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def add(self, hooks: Iterable[Any]) -> None:
        """Adds ``hooks``. Raises as the constructor."""
        self._hooks += adapt(hooks)

    @property
    def stopped(self) -> bool:
        """Whether a hook requested a stop."""
        return self._context.stop_requested

    def begin(
        self, variables: Mapping[str, tf.Variable], global_step: int, checkpoint: str | None
    ) -> None:
        """Before the first batch, with the values of ``checkpoint``."""
        if not self._hooks:
            return
        self._context.global_step = global_step
        self._context.checkpoint_path = checkpoint
        # Hooks find the step among the variables, as in a training.
        step = tf.Variable(global_step, dtype=tf.int64, trainable=False)
        self._context.variables = {"global_step": step, **variables}
        for hook in self._hooks:
            hook.begin(self._context)

    def before_batch(self) -> None:
        """Before each batch, and once more before the end of the input is found."""
        # As in a training, asked before the batch, with the number of batches that are done.
        self._due_steps = [hook.next_step_due(self._context.batches) for hook in self._hooks]
        for hook in self._hooks:
            hook.before_steps(self._context)

    def after_batch(self, loss: float = math.nan) -> None:
        """After each batch, the hooks that are due."""
        self._context.batches += 1
        self._context.loss = loss
        for hook, at in zip(self._hooks, self._due_steps, strict=True):
            if at == self._context.batches:
                hook.after_steps(self._context)

    def end(self) -> None:
        """After the last batch."""
        for hook in self._hooks:
            hook.end(self._context)
