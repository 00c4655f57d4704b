"""The checkpoints of one training: restored at its start, saved during it and at its end.

Each worker saves its own position in the input; when all have done so, the chief writes the
variables in a background thread. The training waits for it only if a hook has ``after_save``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Mapping, Sequence

import tensorflow as tf

from rnn_core.config.run_config import RunConfig
from rnn_core.errors import CheckpointError, StorageError
from rnn_core.graph.eager import eagerly
from rnn_core.hooks import CheckpointSaverHook, Hook, HookContext
from rnn_core.loops.input_position import InputPosition
from rnn_core.loops.interruption import Interruption
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.storage import checkpoints
from rnn_core.storage.checkpoints import Keeper
from rnn_core.storage.files import join
from rnn_core.storage.summaries import EventWriter
from rnn_core.storage.warm_start import WarmStartSettings, warm_start

logger = logging.getLogger("rnn_core")


class Saving:
    """Restores and saves checkpoints; notifies hooks and writes to the event file."""

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
        self._notification_pending = False
        self._saved_at = time.monotonic()

    def restore(self, warm: WarmStartSettings | None) -> bool:
        """Restores the newest intact checkpoint; returns whether the input was restored too.

        Raises:
            CheckpointError: none can be read, or this worker does not see the chief's checkpoint.
        """
        checkpoint = self._checkpoint_of_chief()
        self._context.checkpoint_path = checkpoint
        if checkpoint is None:
            if warm is not None:
                warm_start(self._model.variables, warm)
            # Without a checkpoint that all read, initial values may differ: for a seed of None each
            # worker draws its own.
            if self._replicas.worker_count > 1:
                self._model.broadcast_from_chief()
            return False
        self._model.restore(checkpoint)
        self._saved_step = int(self._model.global_step.numpy())
        logger.info("Restored %s", checkpoint)
        self._context.global_step = self._saved_step
        # It may read much of the input again, and must not hold up a SIGTERM meanwhile. One of many
        # workers cannot leave alone.
        alone = self._replicas.worker_count == 1
        with self._interruption.all_saved() if alone else contextlib.nullcontext():
            return self._position.restore(checkpoint)

    def _checkpoint_of_chief(self) -> str | None:
        directory = self._context.model_dir
        found = checkpoints.newest_intact(directory) if self._is_chief else None
        # A collective carries numbers only: the step stands for the checkpoint.
        step = -1 if found is None else checkpoints.read_step(found)
        step = int(self._replicas.all_gather([step])[0, 0])
        if self._is_chief or step < 0:
            return found
        prefix = join(directory, f"model.ckpt-{step}")
        if not checkpoints.exists(prefix):
            raise CheckpointError(
                f"Expected the checkpoint of the chief, {prefix}, but it does not exist here. All "
                "workers need the same model_dir, on a file system that they share."
            )
        return prefix

    def is_due(self, step: int) -> bool:
        """Whether a checkpoint is due at ``step``: the same answer for all workers."""
        every = self._config.save_checkpoints_steps
        return every is not None and step % every == 0 and not self._is_saved_by_hook()

    def is_due_by_time(self) -> bool:
        """Whether a checkpoint is due by this worker's clock."""
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
        """Saves the current step, unless it is saved already.

        Raises:
            StorageError: it cannot be written.
            WorkerLostError: another worker is gone.
        """
        step = self._context.global_step
        if self._saved_step == step:
            return
        # One checkpoint at a time, in order: the hooks are notified of the last one before they
        # hear of this one.
        self._saver.wait()
        self.notice()
        for hook in self.hooks:
            hook.before_save(self._context)
        prefix = self._prefix(step)
        try:
            self._position.save(prefix)
        except StorageError:
            # Half a position must not be taken for one, should the checkpoint be written at a
            # second try.
            self._position.forget(prefix)
            raise
        # Also a barrier: the chief writes the variables, and so makes the checkpoint valid, only
        # after every worker has written its position in the input.
        waits = self._replicas.all_gather([bool(self._listening)])[:, 0].any()
        self._saved_step, self._saved_at = step, time.monotonic()
        self._notification_pending = True
        if self._is_chief:
            self._saver.start(self._model.variables, step)
        if waits:
            self.wait()

    @property
    def _listening(self) -> list[Hook]:
        """The hooks that override ``after_save``."""
        return [hook for hook in self.hooks if type(hook).after_save is not Hook.after_save]

    def wait(self) -> None:
        """Returns when the checkpoint of the last save is written, on all workers.

        Raises:
            StorageError: it could not be written.
        """
        self._saver.wait()
        # A barrier: after_save of a hook may run collectives (an evaluation by all workers), so all
        # workers must notify their hooks at the same point.
        self._replicas.all_gather([0.0])
        if self._is_chief:
            self.notice()
        elif self._notification_pending:
            self._notification_pending = False
            self._notify_hooks(self._prefix(self._saved_step))

    def notice(self) -> None:
        """Notifies the hooks of a checkpoint that has been written in the meantime.

        Raises:
            StorageError: it could not be written.
        """
        try:
            saved = self._saver.take_saved()
        except StorageError:
            self._position.forget(self._prefix(self._saved_step))
            raise
        if saved is not None:
            # The step of its name: the training has gone on since.
            self._events.write_checkpoint(saved, checkpoints.step_from_name(saved))
            logger.info("Saved %s", saved)
            self._notify_hooks(saved)

    def _notify_hooks(self, saved: str) -> None:
        self._context.checkpoint_path = saved
        is_current = self._saved_step == self._context.global_step
        for hook in self._listening:
            # A hook may take long, to evaluate for instance. SIGTERM need not wait for it if no
            # step has been done since the checkpoint.
            with self._interruption.all_saved() if is_current else contextlib.nullcontext():
                hook.after_save(self._context, saved)

    def forget_position(self) -> None:
        """Removes the saved position, so that the next training reads its input from the start."""
        self._position.forget(self._prefix(self._saved_step))

    def close(self) -> None:
        """Waits for the background thread, also after an error."""
        self._saver.wait()

    def _prefix(self, step: int) -> str:
        return join(self._context.model_dir, f"model.ckpt-{step}")


class BackgroundSaver:
    """Writes one checkpoint at a time in a thread, with the values of the call of ``start``.

    Reading a value copies nothing: TensorFlow copies a variable on its next write if its old buffer
    is still referenced.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self._saved: str | None = None
        self._error: Exception | None = None

    def start(self, variables: Mapping[str, tf.Variable], step: int) -> None:
        """Reads the values and starts writing them, once the previous checkpoint is written."""
        self.wait()
        values = {name: variable.read_value() for name, variable in variables.items()}
        self._thread = threading.Thread(
            target=eagerly(self._write), args=(values, step), name="rnn_core checkpoint"
        )
        self._thread.start()

    def _write(self, values: Mapping[str, tf.Tensor], step: int) -> None:
        try:
            self._saved = self._keeper.save(values, step)
        except Exception as error:
            # Nobody would see it in this thread: `take_saved` raises it in that of the training.
            self._error = error

    def wait(self) -> None:
        """Returns when no checkpoint is being written."""
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
