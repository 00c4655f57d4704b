"""The training loop: many steps per graph call, until the host has to act (see ``pace``).

All workers run this loop and agree before each graph call: how many steps are next, whether to
save, whether to stop. Only the chief writes checkpoints and event files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Sequence

import tensorflow as tf

from rnn_core.config.cluster import workers
from rnn_core.config.run_config import RunConfig
from rnn_core.distribution.heartbeat import Heartbeat, State
from rnn_core.distribution.replicas import Replicas
from rnn_core.distribution.watchdog import Watchdog
from rnn_core.errors import EmptyInputError, NanLossDuringTrainingError
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.hooks import Hook, HookContext, adapt
from rnn_core.loops.checkpointing import Saving
from rnn_core.loops.exchange_cost import ExchangeCost
from rnn_core.loops.input_position import InputPosition, has_position, saved_seed
from rnn_core.loops.input_seed import new_seed
from rnn_core.loops.interruption import Interrupted, Interruption
from rnn_core.loops.pace import Pace, is_due, steps_until_due
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.storage import checkpoints
from rnn_core.storage.summaries import EventWriter
from rnn_core.storage.warm_start import WarmStartSettings

logger = logging.getLogger("rnn_core")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where and how long to train, with which hooks."""

    config: RunConfig
    model_dir: str
    hooks: Sequence[Hook]
    last_step: int | None
    """The global step to end at; None: at the end of the input."""
    warm_start: WarmStartSettings | None = None
    """Where initial values come from, if there is no checkpoint."""
    checkpoint: str | None = None
    """The newest intact checkpoint, whose input position has the seed of the input."""


def train(
    model: TrainableModel, dataset: Callable[[Replicas], tf.data.Dataset], plan: Plan
) -> None:
    """Trains from the newest checkpoint of ``plan.model_dir``, or from the start.

    SIGTERM ends the training with a checkpoint; see ``interruption``.

    Args:
        model: the model to train.
        dataset: makes the dataset of a worker, given as ``Replicas``.
        plan: where, how long, and with which hooks.

    Raises:
        EmptyInputError: the dataset has no batch.
        NanLossDuringTrainingError: the loss is not finite.
        LabelError: a label cannot be used.
        CheckpointError, StorageError: a checkpoint cannot be read or written.
        WorkerLostError: another worker is gone, or did not answer in time.
    """
    position = model.open_input(dataset, plan.config.input_checkpoint, _input_seed(model, plan))
    with Interruption() as interruption, contextlib.ExitStack() as stack:
        loop = _Loop(model, position, plan, interruption)
        # Left in reverse order: first the heartbeat says how this task ended, so that the others
        # learn of a failure without the wait for a checkpoint.
        stack.callback(loop.close)
        if plan.config.cluster_spec.jobs:
            loop.start_monitoring(stack)
        try:
            loop.run()
        except Interrupted:
            loop.leave_at_once()
    # Outside of the block: all files are closed by now.
    if loop.interrupted:
        logger.warning("Interrupted at step %d, which is saved; exiting.", loop.global_step)
        interruption.leave()


def _input_seed(model: TrainableModel, plan: Plan) -> int | None:
    """The seed of the input that a killed training read, or of another one."""
    worker, workers = model.replicas.worker, model.replicas.worker_count
    checkpoint, step = plan.checkpoint, 0
    if checkpoint is not None:
        step = checkpoints.read_step(checkpoint)
        if has_position(checkpoint, worker, workers):
            return saved_seed(checkpoint, worker, workers)
    return new_seed(plan.config.tf_random_seed, step, workers)


class _Loop:
    """One call of ``train``."""

    def __init__(
        self,
        model: TrainableModel,
        position: InputPosition,
        plan: Plan,
        interruption: Interruption,
    ) -> None:
        self.interrupted = False
        self._model, self._position, self._plan = model, position, plan
        self._replicas = model.replicas
        self._interruption = interruption
        self._context = HookContext(model_dir=plan.model_dir)
        self._events = EventWriter(plan.model_dir if model.replicas.worker == 0 else None)
        self._saving = Saving(
            model, position, plan.config, self._context, self._events, interruption
        )
        self._hooks: list[Hook] = []
        self._due: list[Hook] = []
        self._pace = Pace()
        self._cost = ExchangeCost(model)
        self._heartbeat: Heartbeat | None = None
        self._watchdog: Watchdog | None = None
        self._rate_from = (0, time.monotonic())

    def start_monitoring(self, stack: contextlib.ExitStack) -> None:
        """Starts the heartbeat of this task, and the watchdog over its steps."""
        config = self._plan.config
        task = f"{config.task_type}-{config.task_id}"
        self._heartbeat = stack.enter_context(Heartbeat(self._plan.model_dir, task).entered())
        if self._replicas.worker_count > 1:
            self._watchdog = stack.enter_context(Watchdog(config).entered())

    def run(self) -> None:
        with named_errors():
            self._model.prepare(self._position.iterator)
        self._hooks = [*self._plan.hooks, *adapt(self._model.model.hooks())]
        self._saving.hooks = self._hooks
        resumed = self._saving.restore(self._plan.warm_start)
        self._begin()
        first = self._context.global_step
        while (count := self._agree()) > 0:
            done = self._advance(count)
            if done == count:
                self._act()
                continue
            # An input that ends right where a killed training had come to is no error.
            is_empty = self._context.global_step == first and not resumed
            if is_empty and not self._context.stop_requested:
                raise EmptyInputError(
                    "input_fn: expected at least one batch to train on, got none. Check the file "
                    "names and filters of the dataset."
                )
            break
        self._end()

    @property
    def global_step(self) -> int:
        """Steps done."""
        return self._context.global_step

    def leave_at_once(self) -> None:
        """Ends an interrupted training whose step is saved."""
        self.interrupted = True
        if self._heartbeat is not None:
            self._heartbeat.leave_together("interrupted", [], 0)

    def close(self) -> None:
        """Waits for a checkpoint that is being written and closes the event file."""
        self._saving.close()
        self._events.close()

    def _begin(self) -> None:
        context = self._context
        context.global_step = int(self._model.global_step.numpy())
        context.variables = self._model.variables
        self._rate_from = (context.global_step, time.monotonic())
        self._events.write_start(context.global_step + 1)
        for hook in self._hooks:
            hook.begin(context)
        # As in 2.15, the initial values are a checkpoint: an evaluator can begin before the first
        # step.
        if context.checkpoint_path is None:
            self._saving.save()

    def _agree(self) -> int:
        """How many steps all workers run next; 0: the training ends here.

        Workers differ in their clocks, signals and hooks, so each contributes a row of requests,
        and all act on the same table: the fewest steps, and a save or stop if any requests it. A
        save comes first, so that a training that stops here has saved this step.
        """
        context = self._context
        due_steps = [hook.next_step_due(context.global_step) for hook in self._hooks]
        last = self._plan.last_step
        count = steps_until_due(
            context.global_step, self._plan.config, last, due_steps, self._pace.max_steps
        )
        ends = context.stop_requested or (last is not None and context.global_step >= last)
        saves = context.save_requested or self._saving.is_due_by_time()
        row = [max(count, 0), ends, saves, self._interruption.requested]
        with self._watched():
            requests = self._replicas.all_gather(row)
        self.interrupted = bool(requests[:, 3].any())
        context.save_requested = False
        if requests[:, 2].any():
            self._saving.save()
        if requests[:, 1].any() or self.interrupted:
            return 0
        count = int(requests[:, 0].min())
        self._due = [
            hook
            for hook, at in zip(self._hooks, due_steps, strict=True)
            if at == context.global_step + count
        ]
        return count

    def _watched(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext() if self._watchdog is None else self._watchdog.watching()

    def _advance(self, count: int) -> int:
        """Runs up to ``count`` steps, as far as the input lasts; returns how many ran."""
        for hook in self._hooks:
            hook.before_steps(self._context)
        self._pace.begin()
        try:
            with named_errors(), self._replicas.errors(), self._watched():
                done, loss = self._model.run(self._position.iterator, tf.constant(count))
                # Inside of the block: on a GPU it is the reading that waits, and that meets the
                # error.
                steps = int(done.numpy())
        except NanLossDuringTrainingError as error:
            if self._context.fail_on_nan_loss:
                raise
            # A step checks its loss before it updates anything: the variables are those of the
            # last good step, which becomes the last of the training.
            logger.warning("Stopping: %s", error)
            self._context.global_step = int(self._model.global_step.numpy())
            self._context.request_stop()
            return 0
        self._pace.end(steps)
        self._position.batches += steps * self._replicas.local_count
        if steps:
            self._context.global_step += steps
            self._context.loss = float(loss.numpy())
        return steps

    def _act(self) -> None:
        """After a graph call: heartbeat, summaries, log line, checkpoint and hooks, if due."""
        step, config = self._context.global_step, self._plan.config
        if self._heartbeat is not None:
            self._heartbeat.step = step
        self._saving.notice()
        first = step == 1 and config.save_summary_steps is not None
        if first or is_due(step, config.save_summary_steps):
            self._events.write_summary(self._model.model.summary(self._context.loss), step)
        if is_due(step, config.log_step_count_steps):
            now, (from_step, since) = time.monotonic(), self._rate_from
            rate = (step - from_step) / max(now - since, 1e-9)
            self._rate_from = (step, now)
            self._events.write({"global_step/sec": rate}, step)
            logger.info("step %d: loss %.6g (%.1f steps/s)", step, self._context.loss, rate)
        if self._saving.is_due(step):
            self._saving.save()
        for hook in self._due:
            hook.after_steps(self._context)
        # Last, since it may run collectives: all workers come here after the same steps.
        self._cost.judge(self._pace.seconds_per_step)

    def _end(self) -> None:
        self._saving.save()
        self._saving.wait()
        if not self.interrupted:
            for hook in self._hooks:
                hook.end(self._context)
            # After the hooks: a training that is killed in one of them is not over, and keeps its
            # position.
            self._saving.forget_position()
        if self._heartbeat is not None:
            config = self._plan.config
            # The very last: evaluators and servers end at `done`, so all that they read must be
            # written by now.
            self._heartbeat.step = self._context.global_step
            state: State = "interrupted" if self.interrupted else "done"
            tasks = workers(config.cluster_spec) if self._replicas.worker_count > 1 else []
            self._heartbeat.leave_together(state, tasks, config.worker_timeout_secs)
