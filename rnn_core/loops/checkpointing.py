"""The checkpoints of one training: taken up at its start, saved on its way and at its end.

Each worker saves its own position in the input; when all have done so, the chief writes the
variables, while the training goes on. It is waited for only if a hook wants to see the checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import tensorflow as tf

from rnn_core.config.run_config import RunConfig
from rnn_core.errors import CheckpointError, StorageError
from rnn_core.hooks import CheckpointSaverHook, Hook, HookContext
from rnn_core.loops.input_position import InputPosition
from rnn_core.loops.interruption import Interruption
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.storage import checkpoints
from rnn_core.storage.checkpoints import Keeper
from rnn_core.storage.summaries import EventWriter
from rnn_core.storage.warm_start import WarmStartSettings, warm_start

logger = logging.getLogger("rnn_core")


class Saving:
    """Restores and saves; tells hooks and the event file of it."""

    def __init__(
        self,
        model: TrainableModel,
        position: InputPosition,
        config: RunConfig,
        context: HookContext,
        events: EventWriter,
        interruption: Interruption,
    ) -> None:
        self.hooks: Sequence[Hook] = ()
        self._model, self._position, self._config = model, position, config
        self._context, self._events, self._interruption = context, events, interruption
        self._replicas = model.replicas
        self._is_chief = model.replicas.worker == 0
        keeper = checkpoints.Keeper(
            context.model_dir, config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours
        )
        self._saver = BackgroundSaver(keeper)
        self._saved_step = -1
        self._is_untold = False
        self._saved_at = time.monotonic()

    def restore(self, warm: WarmStartSettings | None) -> bool:
        """Takes up the newest checkpoint that is whole; says whether the input was taken up too.

        Raises:
            CheckpointError: none can be read, or this worker does not see that of the chief.
        """
        checkpoint = self._checkpoint_of_chief()
        self._context.checkpoint_path = checkpoint
        if checkpoint is None:
            if warm is not None:
                warm_start(self._model.variables, warm)
            if self._replicas.worker_count > 1:
                self._model.take_values_of_chief()
            return False
        self._model.restore(checkpoint)
        self._saved_step = int(self._model.global_step.numpy())
        logger.info("Restored %s", checkpoint)
        return self._position.restore(checkpoint)

    def _checkpoint_of_chief(self) -> str | None:
        directory = self._context.model_dir
        found = checkpoints.newest_intact(directory) if self._is_chief else None
        step = -1 if found is None else checkpoints.step_of(found)
        step = int(self._replicas.table([step])[0, 0])
        if self._is_chief or step < 0:
            return found
        prefix = str(Path(directory) / f"model.ckpt-{step}")
        if not checkpoints.exists(prefix):
            raise CheckpointError(
                f"Expected the checkpoint of the chief, {prefix}, and it is not there. All workers "
                "need one model_dir, on a file system that they share."
            )
        return prefix

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is due at ``step``, which all workers see alike."""
        every = self._config.save_checkpoints_steps
        return every is not None and step % every == 0 and not self._is_saved_by_hook()

    def is_due_by_time(self) -> bool:
        """Whether one is due by the clock."""
        seconds = self._config.save_checkpoints_secs
        if seconds is None or self._is_saved_by_hook():
            return False
        return time.monotonic() - self._saved_at >= seconds

    def _is_saved_by_hook(self) -> bool:
        return any(
            isinstance(hook, CheckpointSaverHook) and hook.saves_into(self._context.model_dir)
            for hook in self.hooks
        )

    def save(self) -> None:
        """Saves the current step, unless that was done.

        Raises:
            StorageError: it cannot be written.
            WorkerLostError: another worker is gone.
        """
        step = self._context.global_step
        if self._saved_step == step:
            return
        self._saver.wait()
        self.notice()
        for hook in self.hooks:
            hook.before_save(self._context)
        self._save_position(self._prefix(step))
        waits = self._replicas.table([bool(self._waiting)])[:, 0].any()
        self._saved_step, self._saved_at = step, time.monotonic()
        self._is_untold = True
        if self._is_chief:
            self._saver.start(self._model.variables, step)
        if waits:
            self.wait()

    def _save_position(self, prefix: str) -> None:
        try:
            self._position.save(prefix)
        except StorageError:
            self._position.forget(prefix)
            raise

    @property
    def _waiting(self) -> list[Hook]:
        """The hooks that want to see each checkpoint."""
        return [hook for hook in self.hooks if type(hook).after_save is not Hook.after_save]

    def wait(self) -> None:
        """Returns when the checkpoint of the last save is there, for all workers.

        Raises:
            StorageError: it could not be written.
        """
        self._saver.wait()
        # Hooks may exchange numbers with the other workers: all tell them behind this meeting.
        self._replicas.table([0.0])
        if self._is_chief:
            self.notice()
        elif self._is_untold:
            self._is_untold = False
            self._tell(self._prefix(self._saved_step))

    def notice(self) -> None:
        """Tells of a checkpoint that was finished in the meantime.

        Raises:
            StorageError: it could not be written.
        """
        try:
            saved = self._saver.take_saved()
        except StorageError:
            self._position.forget(self._prefix(self._saved_step))
            raise
        if saved is not None:
            self._events.write_checkpoint(saved, checkpoints.step_in(saved))
            logger.info("Saved %s", saved)
            self._tell(saved)

    def _tell(self, saved: str) -> None:
        """Hooks may take long, to evaluate, say, and then SIGTERM does not wait for them."""
        self._context.checkpoint_path = saved
        for hook in self._waiting:
            with self._interruption.all_saved() if self._is_current else contextlib.nullcontext():
                hook.after_save(self._context, saved)

    @property
    def _is_current(self) -> bool:
        return self._saved_step == self._context.global_step

    def forget_position(self) -> None:
        """Lets the next training begin its input anew."""
        self._position.forget(self._prefix(self._saved_step))

    def close(self) -> None:
        """Returns when nothing is written any more, also after an error."""
        self._saver.wait()

    def _prefix(self, step: int) -> str:
        return str(Path(self._context.model_dir) / f"model.ckpt-{step}")


class BackgroundSaver:
    """Writes one checkpoint at a time, from values that are taken at once.

    To take a value costs nothing: TensorFlow copies a variable when it is changed while somebody
    still holds what it was.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self._saved: str | None = None
        self._error: Exception | None = None

    def start(self, variables: Mapping[str, tf.Variable], step: int) -> None:
        """Takes the values and begins to write them, after the checkpoint before is written."""
        self.wait()
        values = {name: variable.read_value() for name, variable in variables.items()}
        self._thread = threading.Thread(
            target=self._write, args=(values, step), name="rnn_core checkpoint"
        )
        self._thread.start()

    def _write(self, values: Mapping[str, tf.Tensor], step: int) -> None:
        try:
            self._saved = self._keeper.save(values, step)
        except Exception as error:
            self._error = error

    def wait(self) -> None:
        """Returns when nothing is being written any more."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take_saved(self) -> str | None:
        """The prefix of a checkpoint that was finished since the last call, if there is one.

        Raises:
            StorageError: it could not be written.
        """
        if self._thread is not None and self._thread.is_alive():
            return None
        self.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error
        saved, self._saved = self._saved, None
        return saved
