"""Hooks that end a run, and one that reads values when it has ended."""

from __future__ import annotations

import math
import time
from typing import Any

import tensorflow as tf

from rnn_core.checks import check_steps
from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.hooks.base import Hook, HookContext
from rnn_core.storage import checkpoints


class StopAtStepHook(Hook):
    """Stops after ``num_steps`` more steps, or at the global step ``last_step``.

    Raises:
        ArgumentError: not exactly one is given, or it is not a whole number.
    """

    def __init__(self, num_steps: int | None = None, last_step: int | None = None) -> None:
        if (num_steps is None) == (last_step is None):
            raise ArgumentError(
                f"StopAtStepHook: expected one of num_steps and last_step, got {num_steps} and "
                f"{last_step}."
            )
        self._num_steps = check_steps(num_steps, 0, "num_steps")
        self._last_step = check_steps(last_step, 0, "last_step")

    def next_step_due(self, step: int) -> int | None:
        """The last step, or the next one if the last is reached already."""
        # The next step also where the last is over: a run that begins there stops after one step,
        # as a session of 2.15 did.
        return None if self._last_step is None else max(step + 1, self._last_step)

    def begin(self, context: HookContext) -> None:
        """Counts ``num_steps`` from here, also if the hook was used before."""
        if self._num_steps is not None:
            self._last_step = context.global_step + self._num_steps

    def after_steps(self, context: HookContext) -> None:
        """Requests the stop at the last step."""
        if self._last_step is not None and context.global_step >= self._last_step:
            context.request_stop()


class StopAtCheckpointStepHook(Hook):
    """Stops once a checkpoint of the global step ``last_step``, or of a later one, is on disk.

    Args:
        model_dir: where another process writes the checkpoints.
        last_step: the step.
        wait_after_file_check_secs: how long not to look again, so that many processes do not read
            one file all the time. Steps go on meanwhile: the workers wait for each other.

    Raises:
        ArgumentError: ``last_step`` is no whole number.
    """

    every_steps = 1

    def __init__(
        self, model_dir: str, last_step: int, wait_after_file_check_secs: float = 30
    ) -> None:
        if last_step is None:
            raise ArgumentError("last_step: expected a whole number >= 0, got None.")
        self._model_dir = model_dir
        self._last_step = check_steps(last_step, 0, "last_step") or 0
        self._wait_seconds = wait_after_file_check_secs
        self._next_check = -math.inf

    def next_step_due(self, step: int) -> int:
        """The last step, or each one after it."""
        return max(step + 1, self._last_step)

    def after_steps(self, context: HookContext) -> None:
        """Looks for the checkpoint, unless it did so a short time ago."""
        now = time.monotonic()
        if now < self._next_check:
            return
        self._next_check = now + self._wait_seconds
        newest = checkpoints.latest(self._model_dir)
        if newest is not None and checkpoints.step_from_name(newest) >= self._last_step:
            context.request_stop()


class NanTensorHook(Hook):
    """Whether a loss that is not finite is an error, as without this hook, or ends the training.

    Either way nothing is updated with such a loss, and the checkpoint is of the step before.

    Args:
        loss_tensor: ``"loss"``, whatever it is called in the caller's code.
        fail_on_nan_loss: whether it is an error.
    """

    def __init__(self, loss_tensor: Any = "loss", fail_on_nan_loss: bool = True) -> None:
        del loss_tensor
        self._fail = fail_on_nan_loss

    def next_step_due(self, step: int) -> int | None:
        """Never: each step checks its loss anyway."""
        return None

    def begin(self, context: HookContext) -> None:
        """Sets ``fail_on_nan_loss`` of the context."""
        context.fail_on_nan_loss = self._fail


class FinalOpsHook(Hook):
    """Keeps values at the end of a run, in ``final_ops_values``.

    Args:
        final_ops: names ("loss", "global_step", variables) or variables, in any nested structure.
        final_ops_feed_dict: not supported.

    Raises:
        UnsupportedError: ``final_ops_feed_dict`` is given, or, at the end, a tensor.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        if final_ops_feed_dict:
            raise UnsupportedError(
                "FinalOpsHook: final_ops_feed_dict feeds placeholders of a graph, and there is "
                "none. Compute what you need from final_ops_values."
            )
        self._final_ops = final_ops
        self._values: Any = None

    @property
    def final_ops_values(self) -> Any:
        """The values in the structure of ``final_ops``; None before the end."""
        return self._values

    def next_step_due(self, step: int) -> int | None:
        """Never before the end."""
        return None

    def end(self, context: HookContext) -> None:
        """Reads the values."""
        if self._final_ops is not None:
            self._values = tf.nest.map_structure(context.value, self._final_ops)
