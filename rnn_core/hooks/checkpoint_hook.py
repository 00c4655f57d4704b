"""CheckpointSaverHook: checkpoints with a period of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from rnn_core.errors import UnsupportedError
from rnn_core.hooks.base import Hook, HookContext
from rnn_core.hooks.periods import Period
from rnn_core.storage.checkpoints import Keeper
from rnn_core.storage.files import check_directory, is_same, make_directory

_BASENAME: Final = "model.ckpt"
_KEEP_MAX, _KEEP_EVERY_HOURS = 5, 10000.0
"""The defaults of ``tf.compat.v1.train.Saver``, which 2.15 used here."""


class CheckpointSaverHook(Hook):
    """Saves every ``save_steps`` steps or ``save_secs`` seconds into ``checkpoint_dir``.

    In the ``model_dir`` it replaces the periods in ``RunConfig``; in another directory it keeps
    five more checkpoints, without an input position. Both save at the start and at the end, too.
    ``save_graph_def`` has no meaning: there is no graph.

    Raises:
        ArgumentError: not exactly one of ``save_secs`` and ``save_steps`` is given, or the path of
            ``checkpoint_dir`` cannot be read again.
        UnsupportedError: ``saver``, ``scaffold`` or another ``checkpoint_basename`` is given.
    """

    def __init__(
        self,
        checkpoint_dir: str,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = _BASENAME,
        scaffold: Any = None,
        listeners: Iterable[Any] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        del save_graph_def
        if saver is not None or scaffold is not None:
            raise UnsupportedError(
                "CheckpointSaverHook: saver and scaffold belong to a session. All variables are "
                "saved; RunConfig sets how many checkpoints are kept."
            )
        if checkpoint_basename != _BASENAME:
            raise UnsupportedError(
                f"CheckpointSaverHook: expected checkpoint_basename={_BASENAME!r}, the name that "
                f"a training continues from, got {checkpoint_basename!r}."
            )
        self._period = Period("CheckpointSaverHook", save_steps, save_secs)
        check_directory(checkpoint_dir, "CheckpointSaverHook")
        self._directory = checkpoint_dir
        self.listeners = tuple(listeners or ())

    def saves_into(self, model_dir: str) -> bool:
        """Whether its checkpoints are those of ``model_dir``, from which a training continues."""
        return is_same(self._directory, model_dir)

    def next_step_due(self, step: int) -> int:
        """The next step at which a checkpoint may be due."""
        return self._period.next_step(step)

    def begin(self, context: HookContext) -> None:
        """Saves; the ``model_dir`` gets its first checkpoint anyway."""
        self._period.restart(context.global_step)
        if not self.saves_into(context.model_dir):
            self._save(context)

    def after_steps(self, context: HookContext) -> None:
        """Saves if it is time."""
        if self._period.due(context.global_step):
            self._save(context)

    def end(self, context: HookContext) -> None:
        """Saves the last step; the ``model_dir`` has it already."""
        if not self.saves_into(context.model_dir):
            self._save(context)

    def _save(self, context: HookContext) -> None:
        # The training itself writes into the model_dir, with the input position, once all hooks of
        # this step have been called: several hooks that are due get one checkpoint.
        if self.saves_into(context.model_dir):
            context.request_checkpoint()
            return
        make_directory(self._directory)
        # A new one each time: it learns from the directory what is kept, also after a restart.
        Keeper(self._directory, _KEEP_MAX, _KEEP_EVERY_HOURS).save(
            context.variables, context.global_step
        )
