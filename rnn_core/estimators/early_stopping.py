"""Hooks that stop a training depending on its evaluations.

They read the event files of the evaluation, so a training that was killed and started again
decides as if it had not been.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

from rnn_core import callables
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.estimators.estimator import Estimator
from rnn_core.hooks import Hook, HookContext
from rnn_core.storage.summaries import read_events

logger = logging.getLogger("rnn_core")

_CLOCK_STEPS: Final = 100
"""A hook with a period in seconds checks the clock every so many steps."""


class EarlyStopping(Hook):
    """Requests a stop when ``should_stop()`` is true."""

    def __init__(
        self,
        should_stop: Callable[[], bool],
        run_every_secs: float | None = 60,
        run_every_steps: int | None = None,
    ) -> None:
        if run_every_secs is not None and run_every_steps is not None:
            raise ArgumentError(
                f"Expected one of run_every_secs={run_every_secs} and "
                f"run_every_steps={run_every_steps}, got both; set the other to None."
            )
        # A period in seconds needs one in steps, too: between due steps the training stays in its
        # graph and calls no hook.
        self.every_steps = run_every_steps or _CLOCK_STEPS
        self._should_stop = should_stop
        self._seconds = None if run_every_steps is not None else run_every_secs
        self._checked_at = time.monotonic()

    def begin(self, context: HookContext) -> None:
        """Makes the decision that a killed run may have missed."""
        # Only where the killed run would have decided, too, so that both end at the same step.
        if context.global_step and context.global_step % self.every_steps == 0:
            self._decide(context)

    def after_steps(self, context: HookContext) -> None:
        """Calls ``should_stop``, unless it did so less than ``run_every_secs`` ago."""
        now = time.monotonic()
        if self._seconds is None or now - self._checked_at >= self._seconds:
            self._checked_at = now
            self._decide(context)

    def _decide(self, context: HookContext) -> None:
        if self._should_stop():
            logger.info("Stopping early at step %d", context.global_step)
            context.request_stop()


def make_early_stopping_hook(
    estimator: Estimator,
    should_stop_fn: Callable[[], bool],
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> EarlyStopping:
    """Stops when ``should_stop_fn()`` is true.

    Raises:
        ArgumentTypeError: ``estimator`` is no estimator, or ``should_stop_fn`` no function.
        ArgumentError: both ``run_every_secs`` and ``run_every_steps`` are given.
    """
    if not isinstance(estimator, Estimator):
        raise ArgumentTypeError(f"estimator: expected an Estimator, got {estimator!r}.")
    callables.check("should_stop_fn", should_stop_fn, ())
    return EarlyStopping(should_stop_fn, run_every_secs, run_every_steps)


def _stop_if(
    is_enough: Callable[[Mapping[int, float]], bool],
    estimator: Estimator,
    metric_name: str,
    eval_dir: str | None,
    min_steps: int,
    run_every_secs: float | None,
    run_every_steps: int | None,
) -> EarlyStopping:
    """Stops when the evaluations from ``min_steps`` on, value by step, are enough."""
    directory = eval_dir or estimator.eval_dir()

    def should_stop() -> bool:
        evaluations = {
            step: values[metric_name]
            for step, values in read_events(directory).items()
            if metric_name in values and step >= min_steps
        }
        return is_enough(evaluations)

    return make_early_stopping_hook(estimator, should_stop, run_every_secs, run_every_steps)


def steps_without_improvement(evaluations: Mapping[int, float], higher_is_better: bool) -> int:
    """The longest stretch of steps without a better evaluation, from one of ``evaluations``."""
    # The longest stretch, not the last one, as in 2.15: a training that was stopped and is started
    # again stops again, whatever was evaluated since.
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

    Args:
        estimator: what is trained.
        metric_name: a metric of its evaluation, such as ``average_loss``.
        max_steps_without_decrease: global steps since the best evaluation of that time.
        eval_dir: where the evaluation writes its event files; None: ``estimator.eval_dir()``.
        min_steps: evaluations before this global step do not count.
        run_every_secs: how often to decide; None with ``run_every_steps``.
        run_every_steps: how often to decide, in global steps.

    Raises:
        ArgumentError: both ``run_every_secs`` and ``run_every_steps`` are given.
    """
    return _stop_if(
        lambda found: steps_without_improvement(found, False) >= max_steps_without_decrease,
        estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps,
    )  # fmt: skip


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

    The other arguments and the errors are those of ``stop_if_no_decrease_hook``.
    """
    return _stop_if(
        lambda found: steps_without_improvement(found, True) >= max_steps_without_increase,
        estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps,
    )  # fmt: skip


def stop_if_higher_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> EarlyStopping:
    """Stops when ``metric_name`` was above ``threshold`` in an evaluation.

    The other arguments and the errors are those of ``stop_if_no_decrease_hook``.
    """
    return _stop_if(
        lambda found: any(value > threshold for value in found.values()),
        estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps,
    )  # fmt: skip


def stop_if_lower_hook(
    estimator: Estimator,
    metric_name: str,
    threshold: float,
    eval_dir: str | None = None,
    min_steps: int = 0,
    run_every_secs: float | None = 60,
    run_every_steps: int | None = None,
) -> EarlyStopping:
    """Stops when ``metric_name`` was below ``threshold`` in an evaluation.

    The other arguments and the errors are those of ``stop_if_no_decrease_hook``.
    """
    return _stop_if(
        lambda found: any(value < threshold for value in found.values()),
        estimator, metric_name, eval_dir, min_steps, run_every_secs, run_every_steps,
    )  # fmt: skip
