"""When a hook is due that runs every so many steps or seconds."""

from __future__ import annotations

import math
import time
from typing import Final

from rnn_core.errors import ArgumentError

MAX_STEPS_PER_CALL: Final = 100
"""A graph call runs no more steps than this: its overhead is spread over enough steps then."""


class Period:
    """Due at the first step after it was started, and then every ``steps`` or every ``seconds``.

    Raises:
        ArgumentError: not exactly one is given, or it is not positive.
    """

    def __init__(self, owner: str, steps: int | None, seconds: float | None) -> None:
        if (steps is None) == (seconds is None):
            raise ArgumentError(
                f"{owner}: expected a number of steps or of seconds, got {steps} and {seconds}."
            )
        given = steps if steps is not None else seconds
        if given is None or given <= 0:
            raise ArgumentError(f"{owner}: expected a positive period, got {given}.")
        self._steps, self._seconds = steps, seconds
        self.restart()

    def restart(self, step: int | None = None) -> None:
        """Counts from ``step``; None: the first step is due, and counts are from there."""
        self._last_step, self._last_time = step, time.monotonic()
        self._seen: tuple[int, float] | None = None
        self._seconds_per_step = math.inf

    def next_step(self, step: int) -> int:
        """The next step at which it may be due; seconds are estimated from past steps."""
        if self._last_step is None:
            return step + 1
        if self._steps is not None:
            return max(step + 1, self._last_step + self._steps)
        # A graph call cannot be interrupted when the time is over. Before the pace is known, one
        # step is asked for (left / inf is 0), since it may take any time.
        left = self._last_time + (self._seconds or 0.0) - time.monotonic()
        return step + max(1, min(MAX_STEPS_PER_CALL, int(left / self._seconds_per_step)))

    def due(self, step: int) -> tuple[int, float] | None:
        """If it is due: the steps and seconds since the last time (0 and 0.0 at the first)."""
        now, last = time.monotonic(), self._last_step
        self._measure(step, now)
        if last is not None and not self._is_over(step - last, now - self._last_time):
            return None
        elapsed = (0, 0.0) if last is None else (step - last, now - self._last_time)
        self._last_step, self._last_time = step, now
        return elapsed

    def is_next(self, step: int) -> bool:
        """Whether it is due at the step after ``step``."""
        if self._last_step is None:
            return True
        return self._is_over(step + 1 - self._last_step, time.monotonic() - self._last_time)

    def _measure(self, step: int, now: float) -> None:
        if self._seen is not None and step > self._seen[0]:
            # Of the last call alone: an earlier one may include a trace or a checkpoint.
            self._seconds_per_step = max(1e-9, (now - self._seen[1]) / (step - self._seen[0]))
        self._seen = (step, now)

    def _is_over(self, steps: int, seconds: float) -> bool:
        if self._steps is not None:
            return steps >= self._steps
        return self._seconds is not None and seconds >= self._seconds
