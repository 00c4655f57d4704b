"""Hooks: code of the caller that looks at a training from time to time."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass
class HookContext:
    """What a hook sees of a training."""

    global_step: int = 0
    """Steps done, those before this call included."""
    loss: float = math.nan
    """Loss of the last step; NaN before the first."""
    stop_requested: bool = False

    def request_stop(self) -> None:
        """Ends the training after this look, with a checkpoint, as ``max_steps`` would."""
        self.stop_requested = True


class Hook:
    """Does nothing; override what is needed.

    ``every_steps`` says how often ``after_steps`` is called: when the global step is a multiple of
    it. Steps run inside one graph between two such moments, so a small number costs time.
    """

    every_steps: int = 100

    def begin(self, context: HookContext) -> None:
        """Called once, before the first step and after a checkpoint was restored."""

    def after_steps(self, context: HookContext) -> None:
        """Called when the global step is a multiple of ``every_steps``."""

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        """Called after each checkpoint."""

    def end(self, context: HookContext) -> None:
        """Called once after the last step and its checkpoint; not after an error."""
