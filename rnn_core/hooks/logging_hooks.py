"""Hooks that record a run: in the log, in event files, or as a profile."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.hooks.base import Hook, HookContext, variable_name
from rnn_core.hooks.periods import Period
from rnn_core.storage.summaries import EventWriter, Writer, writer_for

logger = logging.getLogger("rnn_core")

_RATE_TAG: Final = "global_step/sec"

Formatter: TypeAlias = Callable[[dict[str, Any]], str]
Summaries: TypeAlias = Callable[[HookContext], Mapping[str, float]]


class _Periodic(Hook):
    """A hook with a period: due at the first step of a run, and then every so often."""

    def __init__(self, steps: int | None, seconds: float | None) -> None:
        self._period = Period(type(self).__name__, steps, seconds)

    def next_step_due(self, step: int) -> int | None:
        """The next step at which it may be due."""
        return self._period.next_step(step)

    def begin(self, context: HookContext) -> None:
        """Starts the period."""
        del context
        self._period.restart()


class LoggingTensorHook(Hook):
    """Logs values every ``every_n_iter`` steps or ``every_n_secs`` seconds, and at the end if
    ``at_end``.

    Args:
        tensors: names ("loss", "global_step", variables) or variables: a list, or a dict by the
            tag to show.
        formatter: makes the line from the values by tag.

    Raises:
        ArgumentError: not exactly one period is given, and ``at_end`` is not set.
        UnsupportedError: a tensor is given.
    """

    def __init__(
        self,
        tensors: Mapping[str, Any] | Iterable[Any],
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Formatter | None = None,
    ) -> None:
        only_at_end = at_end and every_n_iter is None and every_n_secs is None
        name = "LoggingTensorHook"
        self._period = None if only_at_end else Period(name, every_n_iter, every_n_secs)
        self._names = _tagged(tensors)
        self._at_end, self._formatter = at_end, formatter

    def next_step_due(self, step: int) -> int | None:
        """The next step at which a line may be due."""
        return None if self._period is None else self._period.next_step(step)

    def begin(self, context: HookContext) -> None:
        """Starts the period."""
        if self._period is not None:
            self._period.restart()

    def after_steps(self, context: HookContext) -> None:
        """Logs if it is time."""
        elapsed = None if self._period is None else self._period.due(context.step)
        if elapsed is not None:
            self._log(context, elapsed[1])

    def end(self, context: HookContext) -> None:
        """Logs once more if ``at_end`` is set."""
        if self._at_end:
            self._log(context, 0.0)

    def _log(self, context: HookContext, seconds: float) -> None:
        values = {tag: context.value(name) for tag, name in self._names.items()}
        # As in 2.15, arrays are shown without exponents.
        with np.printoptions(suppress=True):
            if self._formatter:
                line = self._formatter(values)
            else:
                line = ", ".join(f"{tag} = {value}" for tag, value in values.items())
                line += f" ({seconds:.3f} sec)" if seconds else ""
        logger.info("%s", line)


def _tagged(tensors: Mapping[str, Any] | Iterable[Any]) -> dict[str, Any]:
    if isinstance(tensors, Mapping):
        return {tag: tensors[tag] for tag in sorted(tensors)}
    return {name if isinstance(name, str) else variable_name(name): name for name in tensors}


class StepCounterHook(_Periodic):
    """Logs the steps per second, and writes them as ``global_step/sec``.

    Args:
        every_n_steps: the period in steps, or None.
        every_n_secs: the period in seconds, or None.
        output_dir: where to write an event file; by default there is none.
        summary_writer: as in ``SummarySaverHook``.

    Raises:
        ArgumentError: not exactly one period is given.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
    ) -> None:
        super().__init__(every_n_steps, every_n_secs)
        self._writer = writer_for(output_dir, summary_writer)

    def after_steps(self, context: HookContext) -> None:
        """Writes the rate since the last call; the first call only starts the measurement."""
        elapsed = self._period.due(context.step)
        if elapsed is None or not elapsed[0]:
            return
        rate = elapsed[0] / max(elapsed[1], 1e-9)
        logger.info("%s: %g", _RATE_TAG, rate)
        if self._writer is not None:
            self._writer.write({_RATE_TAG: rate}, context.global_step)

    def end(self, context: HookContext) -> None:
        """Closes the event file."""
        _close(self._writer)


class SummarySaverHook(_Periodic):
    """Writes numbers of one's own to an event file.

    Args:
        save_steps: the period in steps, or None.
        save_secs: the period in seconds, or None.
        output_dir: where to write an event file.
        summary_writer: a writer to use instead: one of ``tf.summary.create_file_writer``, or
            anything with ``add_summary(summary, step)``.
        scaffold: not supported.
        summary_op: what to write: a function from the ``HookContext`` to numbers by tag, or a name
            or names of scalars ("loss", "global_step", variables).

    Raises:
        ArgumentError: not exactly one period, or no ``summary_op``, is given.
        UnsupportedError: ``scaffold`` or a tensor is given.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str | None = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Summaries | str | Iterable[Any] | None = None,
    ) -> None:
        super().__init__(save_steps, save_secs)
        if scaffold is not None:
            raise UnsupportedError(
                "SummarySaverHook: scaffold belongs to a session. Give summary_op, a function "
                "from the HookContext to numbers by tag."
            )
        if summary_op is None:
            raise ArgumentError("SummarySaverHook: expected summary_op, got None.")
        self._summaries = _summaries(summary_op)
        self._writer = writer_for(output_dir, summary_writer)

    def after_steps(self, context: HookContext) -> None:
        """Writes if it is time."""
        if self._period.due(context.step) is not None and self._writer is not None:
            self._writer.write(self._summaries(context), context.global_step)

    def end(self, context: HookContext) -> None:
        """Closes the event file."""
        _close(self._writer)


def _summaries(given: Any) -> Summaries:
    if callable(given) and not isinstance(given, tf.Variable):
        return given
    alone = isinstance(given, (str, tf.Variable, tf.Tensor))
    names = _tagged([given] if alone else given)
    return lambda context: {tag: float(context.value(name)) for tag, name in names.items()}


def _close(writer: Writer | None) -> None:
    if isinstance(writer, EventWriter):
        writer.close()


class ProfilerHook(Hook):
    """Profiles one step every ``save_steps`` steps or ``save_secs`` seconds, for TensorBoard.

    The first period begins with the run. Profiles are written below ``output_dir`` as
    ``plugins/profile/<time>``, not as the ``timeline-<step>.json`` that sessions made.

    Raises:
        ArgumentError: not exactly one period is given.
        UnsupportedError: ``show_dataflow`` or ``show_memory`` is not at its default.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: str = "",
        show_dataflow: bool = True,
        show_memory: bool = False,
    ) -> None:
        if not show_dataflow or show_memory:
            raise UnsupportedError(
                f"ProfilerHook: show_dataflow={show_dataflow} and show_memory={show_memory} choose "
                "what a timeline file shows; leave them out and choose in TensorBoard."
            )
        self._period = Period("ProfilerHook", save_steps, save_secs)
        self._directory = output_dir
        self._running = False

    def next_step_due(self, step: int) -> int | None:
        """Before the step to profile, and after it."""
        if self._running:
            return step + 1
        # The profiler must run before the step that it records begins.
        return max(step + 1, self._period.next_step(step) - 1)

    def begin(self, context: HookContext) -> None:
        """Starts the period."""
        self._running = False
        self._period.restart(context.step)
        self._start_if_next(context.step)

    def after_steps(self, context: HookContext) -> None:
        """Ends a profile; begins one if the next step is to be profiled."""
        if self._running:
            self._stop(context.step)
        self._start_if_next(context.step)

    def end(self, context: HookContext) -> None:
        """Ends a profile whose step never came."""
        if self._running:
            self._stop(context.step)

    def _start_if_next(self, step: int) -> None:
        if self._period.is_next(step):
            tf.profiler.experimental.start(self._directory or ".")
            self._running = True

    def _stop(self, step: int) -> None:
        tf.profiler.experimental.stop()
        self._running = False
        self._period.restart(step)
        logger.info("Profiled step %d into %s", step, self._directory or ".")
