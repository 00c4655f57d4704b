"""How many steps to run per graph call before the host has to act.

The host acts for hooks, log lines, summaries, checkpoints, and what the other workers request.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from rnn_core.config.run_config import RunConfig
from rnn_core.hooks.periods import MAX_STEPS_PER_CALL

MAX_SECONDS_PER_CALL: Final = 1.0
"""At most this long a training does not notice the clock, SIGTERM, or another worker's request."""


class Pace:
    """Measures the time of a step, which limits how many steps run in one graph call."""

    def __init__(self) -> None:
        # Nothing is known before the first step, so that one is done alone.
        self.seconds_per_step = MAX_SECONDS_PER_CALL
        self._began_at = 0.0

    @property
    def max_steps(self) -> int:
        """How many steps may run in the next graph call."""
        return max(1, min(MAX_STEPS_PER_CALL, int(MAX_SECONDS_PER_CALL / self.seconds_per_step)))

    def begin(self) -> None:
        """Called before steps."""
        self._began_at = time.monotonic()

    def end(self, steps: int) -> None:
        """Called after ``steps`` steps."""
        if steps:
            self.seconds_per_step = max((time.monotonic() - self._began_at) / steps, 1e-6)


def is_due(step: int, every: int | None) -> bool:
    """Whether something that happens every ``every`` steps happens at ``step``."""
    return every is not None and step % every == 0


def steps_until_due(
    step: int,
    config: RunConfig,
    last_step: int | None,
    due_steps: Iterable[int | None],
    max_steps: int = MAX_STEPS_PER_CALL,
) -> int:
    """How many steps may run before something is due.

    Args:
        step: the global step now.
        config: the periods of summaries, log lines and checkpoints.
        last_step: where the training ends; None: at the end of the input.
        due_steps: ``Hook.next_step_due`` of each hook.
        max_steps: the upper limit of the result.
    """
    periods = (
        config.save_summary_steps,
        config.log_step_count_steps,
        config.save_checkpoints_steps,
    )
    distances = [every - step % every for every in periods if every is not None]
    distances += [at - step for at in due_steps if at is not None]
    if last_step is not None:
        distances.append(last_step - step)
    # Step 1 has a summary, too, as in 2.15.
    if step == 0 and config.save_summary_steps is not None:
        distances.append(1)
    return min([*distances, max_steps])
