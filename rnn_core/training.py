"""The training loop: steps run in one graph between two moments at which somebody must look."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Any, Final

import tensorflow as tf

from rnn_core import checkpoints, input_position
from rnn_core.checks import named_errors
from rnn_core.config import RunConfig
from rnn_core.errors import EmptyInputError, NanLossDuringTrainingError, StorageError
from rnn_core.hooks import CheckpointSaverHook, Hook, HookContext, adapt
from rnn_core.input_position import InputPosition
from rnn_core.inputs import split
from rnn_core.model import Model
from rnn_core.summaries import EventWriter
from rnn_core.warm_start import WarmStartSettings, warm_start

logger = logging.getLogger("rnn_core")

_MOST_STEPS_BLIND: Final = 100
"""Steps between two looks at the clock, when checkpoints are saved by time."""


class TrainableModel:
    """A model with its global step, and the compiled loop that trains it."""

    def __init__(self, model: Model) -> None:
        self.model = model
        model.keep_summaries()
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.run = tf.function(self._run, autograph=False)

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """All that a checkpoint holds, by name."""
        return {"global_step": self.global_step, **self.model.variables}

    def restore(self, checkpoint: str) -> None:
        """Takes the values of a checkpoint. Raises CheckpointError."""
        self.model.restore(checkpoint)
        self.global_step.assign(checkpoints.step_of(checkpoint))

    def prepare(self, iterator: Any) -> None:
        """Traces the loop, which makes the variables of a model that is given as a function."""
        self.run.get_concrete_function(iterator, tf.constant(0))

    def _run(self, iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Up to ``count`` steps; how many there were, and the last loss."""

        def step(done: tf.Tensor, _: tf.Tensor, loss: tf.Tensor) -> tuple[Any, ...]:
            element = iterator.get_next_as_optional()
            return tf.cond(
                element.has_value(),
                lambda: (done + 1, True, self._step(element.get_value())),
                lambda: (done, False, loss),
            )

        done, _, loss = tf.while_loop(
            lambda done, more, _: (done < count) & more,
            step,
            (tf.constant(0), tf.constant(True), tf.constant(0.0)),
            parallel_iterations=1,
        )
        return done, loss

    def _step(self, element: Any) -> tf.Tensor:
        features, labels = split(element)
        return self.model.train_step(features, labels, self.global_step)


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where and how long to train, and who looks."""

    config: RunConfig
    model_dir: str
    hooks: Sequence[Hook]
    last_step: int | None
    """The global step to end at; None: at the end of the input."""
    warm_start: WarmStartSettings | None = None
    """Where first values come from, if there is no checkpoint."""


def train(model: TrainableModel, dataset: tf.data.Dataset, plan: Plan) -> None:
    """Trains from the newest checkpoint of ``plan.model_dir``, or from the start.

    Raises:
        EmptyInputError: the dataset has no batch.
        NanLossDuringTrainingError: the loss is not finite.
        LabelError: a label cannot be used.
        CheckpointError, StorageError: a checkpoint cannot be read or written.
    """
    _Loop(model, InputPosition(dataset), plan).run()


class _Loop:
    """One call of ``train``."""

    def __init__(self, model: TrainableModel, position: InputPosition, plan: Plan) -> None:
        config = plan.config
        self._model, self._position, self._plan = model, position, plan
        self._keeper = checkpoints.Keeper(
            plan.model_dir, config.keep_checkpoint_max, config.keep_checkpoint_every_n_hours
        )
        self._events = EventWriter(plan.model_dir)
        self._context = HookContext(model_dir=plan.model_dir)
        self._due: list[Hook] = []
        self._saved: str | None = None
        self._saved_step = -1
        self._saved_at = time.monotonic()
        self._rate_from = (0, time.monotonic())

    def run(self) -> None:
        with named_errors():
            self._model.prepare(self._position.iterator)
        own = adapt(self._model.model.hooks())
        self._plan = dataclasses.replace(self._plan, hooks=[*self._plan.hooks, *own])
        resumed = self._restore()
        self._begin()
        ended, first = False, self._context.global_step
        while not (ended or self._context.stop_requested or self._finished()):
            ended = self._advance()
            if ended and self._context.global_step == first and not resumed:
                self._refuse_empty_input()
            self._look(ended)
        self._end()

    def _restore(self) -> bool:
        """Takes up the newest checkpoint; says whether its input position was taken up too."""
        self._saved = checkpoints.latest(self._plan.model_dir)
        if self._saved is None:
            if self._plan.warm_start is not None:
                warm_start(self._model.variables, self._plan.warm_start)
            return False
        self._model.restore(self._saved)
        self._saved_step = int(self._model.global_step.numpy())
        logger.info("Restored %s", self._saved)
        return self._position.restore(self._saved)

    def _begin(self) -> None:
        context = self._context
        context.global_step = int(self._model.global_step.numpy())
        context.variables, context.checkpoint_path = self._model.variables, self._saved
        self._rate_from = (context.global_step, time.monotonic())
        self._events.write_start(context.global_step + 1)
        for hook in self._plan.hooks:
            hook.begin(context)
        if self._saved is None:
            self._save()

    def _finished(self) -> bool:
        last = self._plan.last_step
        return last is not None and self._context.global_step >= last

    def _advance(self) -> bool:
        """Runs to the next look; says whether the input ended."""
        context, hooks = self._context, self._plan.hooks
        looks = [hook.next_look(context.global_step) for hook in hooks]
        count = steps_to_next_look(context.global_step, self._plan, looks)
        self._due = [h for h, at in zip(hooks, looks, strict=True) if at == context.step + count]
        for hook in hooks:
            hook.before_steps(context)
        try:
            with named_errors():
                done, loss = self._model.run(self._position.iterator, tf.constant(count))
                steps = int(done.numpy())
        except NanLossDuringTrainingError as error:
            self._end_with_nan(error)
            return True
        self._position.batches += steps
        if steps:
            context.global_step += steps
            context.loss = float(loss.numpy())
        return steps < count

    def _refuse_empty_input(self) -> None:
        if not self._context.stop_requested:
            raise EmptyInputError(
                "input_fn: expected at least one batch to train on, got none. Check the file "
                "names and filters of the dataset."
            )

    def _end_with_nan(self, error: NanLossDuringTrainingError) -> None:
        """Raises ``error``, unless a hook wants the training to end with the last good step."""
        if self._context.fail_on_nan_loss:
            raise error
        logger.warning("Stopping: %s", error)
        self._context.global_step = int(self._model.global_step.numpy())
        self._context.request_stop()

    def _look(self, ended: bool) -> None:
        step, config = self._context.global_step, self._plan.config
        if ended:
            return
        first = step == 1 and config.save_summary_steps is not None
        if first or is_due(step, config.save_summary_steps):
            self._events.write_summary(self._model.model.summary(self._context.loss), step)
        if is_due(step, config.log_step_count_steps):
            self._log()
        if self._save_is_due():
            self._save()
        for hook in self._due:
            hook.after_steps(self._context)
        if self._context.save_requested and self._saved_step != step:
            self._save()
        self._context.save_requested = False

    def _log(self) -> None:
        step, now = self._context.global_step, time.monotonic()
        from_step, since = self._rate_from
        rate = (step - from_step) / max(now - since, 1e-9)
        self._rate_from = (step, now)
        self._events.write({"global_step/sec": rate}, step)
        logger.info("step %d: loss %.6g (%.1f steps/s)", step, self._context.loss, rate)

    def _save_is_due(self) -> bool:
        config = self._plan.config
        if self._is_saved_by_hook():
            return False
        if config.save_checkpoints_steps is not None:
            return is_due(self._context.global_step, config.save_checkpoints_steps)
        seconds = config.save_checkpoints_secs
        return seconds is not None and time.monotonic() - self._saved_at >= seconds

    def _is_saved_by_hook(self) -> bool:
        return any(
            isinstance(hook, CheckpointSaverHook) and hook.saves_into(self._plan.model_dir)
            for hook in self._plan.hooks
        )

    def _save(self) -> None:
        step = self._context.global_step
        for hook in self._plan.hooks:
            hook.before_save(self._context)
        prefix = self._keeper.path(f"model.ckpt-{step}")
        try:
            self._position.save(prefix)
            self._saved = self._keeper.save(self._model.variables, step)
        except StorageError:
            input_position.forget(prefix)
            raise
        self._saved_step, self._saved_at = step, time.monotonic()
        self._context.checkpoint_path = self._saved
        self._events.write_checkpoint(self._saved, step)
        logger.info("Saved %s", self._saved)
        for hook in self._plan.hooks:
            hook.after_save(self._context, self._saved)

    def _end(self) -> None:
        if self._saved_step != self._context.global_step:
            self._save()
        for hook in self._plan.hooks:
            hook.end(self._context)
        if self._saved is not None:
            input_position.forget(self._saved)
        self._events.close()


def is_due(step: int, every: int | None) -> bool:
    """Whether something that happens every ``every`` steps happens at ``step``."""
    return every is not None and step % every == 0


def steps_to_next_look(step: int, plan: Plan, looks: Iterable[int | None]) -> int:
    """How many steps may run before somebody must look; ``looks`` are the hooks' next steps."""
    config = plan.config
    periods = (
        config.save_summary_steps,
        config.log_step_count_steps,
        config.save_checkpoints_steps,
    )
    distances = [every - step % every for every in periods if every is not None]
    distances += [at - step for at in looks if at is not None]
    if plan.last_step is not None:
        distances.append(plan.last_step - step)
    if step == 0 and config.save_summary_steps is not None:
        distances.append(1)
    return min([*distances, _MOST_STEPS_BLIND])
