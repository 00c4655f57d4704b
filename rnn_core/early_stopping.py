"""Hooks that stop a training when an evaluation metric no longer gets better.

They read the event files of the evaluation, so a training that was killed and started again
decides as if it had not been.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Final

from rnn_core.errors import ArgumentError
from rnn_core.estimator import Estimator
from rnn_core.hooks import Hook, HookContext
from rnn_core.summaries import read_events

logger = logging.getLogger("rnn_core")

_CLOCK_STEPS: Final = 100
"""How often a hook that runs by the clock looks at it, in steps."""


class EarlyStopping(Hook):
    """Requests a stop when ``metric_name`` was not better for long enough."""

    def __init__(
        self,
        estimator: Estimator,
        metric_name: str,
        patience_steps: int,
        higher_is_better: bool,
        eval_dir: str | None = None,
        min_steps: int = 0,
        run_every_secs: float | None = 60,
        run_every_steps: int | None = None,
    ) -> None:
        if run_every_secs is not None and run_every_steps is not None:
            raise ArgumentError(
                f"Expected one of run_every_secs={run_every_secs} and "
                f"run_every_steps={run_every_steps}, got both; set the other to None."
            )
        self.every_steps = run_every_steps or _CLOCK_STEPS
        self._directory = eval_dir or estimator.eval_dir()
        self._metric = metric_name
        self._patience = patience_steps
        self._higher_is_better = higher_is_better
        self._min_steps = min_steps
        self._seconds = None if run_every_steps is not None else run_every_secs
        self._checked_at = time.monotonic()

    def begin(self, context: HookContext) -> None:
        """Takes a decision that a kill prevented."""
        if context.global_step and context.global_step % self.every_steps == 0:
            self._decide(context)

    def after_steps(self, context: HookContext) -> None:
        """Looks at the evaluations, unless it did so less than ``run_every_secs`` ago."""
        now = time.monotonic()
        if self._seconds is None or now - self._checked_at >= self._seconds:
            self._checked_at = now
            self._decide(context)

    def _decide(self, context: HookContext) -> None:
        evaluations = {
            step: values[self._metric]
            for step, values in read_events(self._directory).items()
            if self._metric in values and step >= self._min_steps
        }
        since = steps_without_improvement(evaluations, self._higher_is_better)
        if since >= self._patience:
            logger.info(
                "Stopping at step %d: %s was not better for %d steps",
                context.global_step,
                self._metric,
                since,
            )
            context.request_stop()


def steps_without_improvement(evaluations: Mapping[int, float], higher_is_better: bool) -> int:
    """The longest stretch of steps without a better evaluation, from one of ``evaluations``."""
    longest, best, best_step = 0, None, 0
    for step, value in sorted(evaluations.items()):
        if best is None or (value > best if higher_is_better else value < best):
            best, best_step = value, step
        longest = max(longest, step - best_step)
    return longest


def stop_if_no_decrease_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_decrease: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> EarlyStopping:
    """Stops when ``metric_name`` did not fall for ``max_steps_without_decrease`` steps.

    Raises:
        ArgumentError: both ``run_every_secs`` and ``run_every_steps`` are given.
    """
    return EarlyStopping(
        estimator,
        metric_name,
        max_steps_without_decrease,
        False,
        eval_dir,
        min_steps,
        run_every_secs,
        run_every_steps,
    )


def stop_if_no_increase_hook(
    estimator: Estimator,
    metric_name: str,
    max_steps_without_increase: int,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> EarlyStopping:
    """Stops when ``metric_name`` did not rise for ``max_steps_without_increase`` steps.

    Raises:
        ArgumentError: both ``run_every_secs`` and ``run_every_steps`` are given.
    """
    return EarlyStopping(
        estimator,
        metric_name,
        max_steps_without_increase,
        True,
        eval_dir,
        min_steps,
        run_every_secs,
        run_every_steps,
    )
