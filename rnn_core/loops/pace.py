"""How many steps may run before somebody must look."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from rnn_core.config.run_config import RunConfig

_MOST_STEPS_BLIND: Final = 100
_MOST_SECONDS_BLIND: Final = 1.0
"""For so long a training does not notice the clock, SIGTERM, or another worker's wish."""


class Pace:
    """Measures the steps; says how many fit into the time that nobody needs to look."""

    def __init__(self) -> None:
        self.seconds_a_step = _MOST_SECONDS_BLIND
        self._began_at = 0.0

    @property
    def most_steps(self) -> int:
        """Steps that may run blind."""
        return max(1, min(_MOST_STEPS_BLIND, int(_MOST_SECONDS_BLIND / self.seconds_a_step)))

    def begin(self) -> None:
        """Called before steps."""
        self._began_at = time.monotonic()

    def end(self, steps: int) -> None:
        """Called after ``steps`` steps."""
        if steps:
            self.seconds_a_step = max((time.monotonic() - self._began_at) / steps, 1e-6)


def is_due(step: int, every: int | None) -> bool:
    """Whether something that happens every ``every`` steps happens at ``step``."""
    return every is not None and step % every == 0


def steps_to_next_look(
    step: int,
    config: RunConfig,
    last_step: int | None,
    looks: Iterable[int | None],
    most_steps: int = _MOST_STEPS_BLIND,
) -> int:
    """How many steps may run before somebody must look.

    Args:
        step: the global step now.
        config: the periods of summaries, log lines and checkpoints.
        last_step: where the training ends; None: at the end of the input.
        looks: the steps at which hooks want to look next.
        most_steps: no more than these.
    """
    periods = (
        config.save_summary_steps,
        config.log_step_count_steps,
        config.save_checkpoints_steps,
    )
    distances = [every - step % every for every in periods if every is not None]
    distances += [at - step for at in looks if at is not None]
    if last_step is not None:
        distances.append(last_step - step)
    if step == 0 and config.save_summary_steps is not None:
        distances.append(1)
    return min([*distances, most_steps])
