"""The base class of hooks, and the context that they get of a run."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.types import ModeKeys


@dataclasses.dataclass
class HookContext:
    """The state of a run that a hook can read, and the requests that it can make."""

    global_step: int = 0
    """Steps done, those before this call included; that of the checkpoint while it is evaluated."""
    loss: float = math.nan
    """Loss of the last batch; NaN before the first, and in a prediction."""
    stop_requested: bool = False
    mode: str = ModeKeys.TRAIN
    """What is run: one of ``ModeKeys``."""
    batches: int = 0
    """Batches of this evaluation or prediction that are done."""
    model_dir: str = ""
    checkpoint_path: str | None = None
    """The newest checkpoint, in ``begin`` the one that was restored; None if there is none."""
    variables: Mapping[str, tf.Variable] = dataclasses.field(default_factory=dict)
    """All that a checkpoint holds, by name, with ``global_step``. Live: they change as it runs."""
    save_requested: bool = False
    fail_on_nan_loss: bool = True
    """Whether a loss that is not finite is an error; if not, it ends the training."""

    @property
    def step(self) -> int:
        """What ``Hook.next_step_due`` counts: global steps, or batches outside of training."""
        return self.global_step if self.mode == ModeKeys.TRAIN else self.batches

    def request_stop(self) -> None:
        """Stops the run after this step; a training saves a checkpoint, as at ``max_steps``."""
        self.stop_requested = True

    def request_checkpoint(self) -> None:
        """Saves a checkpoint once all hooks of this step have been called."""
        self.save_requested = True

    def value(self, name: Any) -> Any:
        """The value of ``"loss"``, ``"global_step"`` or a variable, by its name or as itself.

        Raises:
            UnsupportedError: ``name`` is a tensor: there is no graph to compute it in.
            ArgumentError: there is no variable of that name.
        """
        text = name.removesuffix(":0") if isinstance(name, str) else variable_name(name)
        if text == "loss":
            return self.loss
        if text == "global_step":
            return self.global_step
        if text not in self.variables:
            raise ArgumentError(
                f"Expected loss, global_step or a variable of the model "
                f"({', '.join(sorted(self.variables))}), got {name!r}."
            )
        return self.variables[text].numpy()


def variable_name(variable: Any) -> str:
    """The name of a variable, as in a checkpoint. Raises UnsupportedError for anything else."""
    if not isinstance(variable, tf.Variable):
        raise UnsupportedError(
            f"Expected the name of a variable, 'loss' or 'global_step', got {variable!r}: no graph "
            "is run here, so that a tensor has no value. Name what it was computed from, and "
            "compute with its value in a subclass of rnn_core.Hook."
        )
    return str(variable.name).removesuffix(":0")


class Hook:
    """Does nothing; override what is needed.

    ``every_steps`` says how often ``after_steps`` is called: when the global step is a multiple of
    it (in an evaluation or a prediction: the number of batches). The steps in between run in one
    graph call, so a small number costs time.
    """

    every_steps: int = 100

    def next_step_due(self, step: int) -> int | None:
        """The step after ``step`` at which ``after_steps`` is to be called; None: at none."""
        # Multiples, not so many steps from the start: a run that was killed and continued calls the
        # hook at the same steps as one that was not.
        return step + self.every_steps - step % self.every_steps

    def begin(self, context: HookContext) -> None:
        """Called once, before the first step and after a checkpoint was restored."""

    def before_steps(self, context: HookContext) -> None:
        """Called before each graph call, which runs the steps until any hook is due."""

    def after_steps(self, context: HookContext) -> None:
        """Called at the step that ``next_step_due`` named."""

    def before_save(self, context: HookContext) -> None:
        """Called before each checkpoint."""

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        """Called after each checkpoint."""

    def end(self, context: HookContext) -> None:
        """Called once after the last step and its checkpoint; not after an error."""
