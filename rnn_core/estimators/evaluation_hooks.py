"""Hooks of a training that know its estimator: evaluation between steps, and the common end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import tensorflow as tf

from rnn_core.checks import check_steps
from rnn_core.distribution.replicas import OneReplica
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.estimators.arguments import check_lengths
from rnn_core.estimators.estimator import Estimator
from rnn_core.hooks import Hook, HookContext, StopAtStepHook, check_hooks
from rnn_core.hooks.batch_hooks import BatchHooks
from rnn_core.hooks.stopping import StopAtCheckpointStepHook
from rnn_core.loops import evaluation
from rnn_core.loops.inference_model import InferenceModel
from rnn_core.loops.input_fn import call_input_fn
from rnn_core.types import InputFn, ModeKeys


class InMemoryEvaluatorHook(Hook):
    """Evaluates with the values that the variables have, without a checkpoint.

    It does so before the first step, after every ``every_n_iter`` steps of this training, and at
    its end. The metrics are logged, and written where ``Estimator.evaluate`` writes them.

    Args:
        estimator: the estimator that is trained.
        input_fn: as for ``Estimator.evaluate``; called once for each training.
        steps: batches of an evaluation; None: all.
        hooks: hooks of the evaluations.
        name: of the evaluation, as for ``Estimator.evaluate``.
        every_n_iter: the period in steps.

    Raises:
        ArgumentError: a number is not positive, or the training has several workers or parameter
            servers.
        ArgumentTypeError: ``estimator`` is no estimator, or ``input_fn`` no function.
    """

    def __init__(
        self,
        estimator: Estimator,
        input_fn: InputFn,
        steps: int | None = None,
        hooks: Iterable[Any] | None = None,
        name: str | None = None,
        every_n_iter: int = 100,
    ) -> None:
        if not isinstance(estimator, Estimator):
            raise ArgumentTypeError(f"estimator: expected an Estimator, got {estimator!r}.")
        config = estimator.config
        if config.num_ps_replicas > 0 or config.num_worker_replicas > 1:
            raise ArgumentError(
                "InMemoryEvaluatorHook: expected a training on one machine, got "
                f"{config.num_worker_replicas} workers and {config.num_ps_replicas} parameter "
                "servers. Use train_and_evaluate, with a task of type evaluator."
            )
        if every_n_iter is None:
            raise ArgumentError("every_n_iter: expected a whole number >= 1, got None.")
        self.every_steps = check_steps(every_n_iter, 1, "every_n_iter") or 1
        self._estimator, self._input_fn, self._name = estimator, input_fn, name
        self._steps, _ = check_lengths(steps, None)
        self._hooks = check_hooks(hooks)
        self._first_step = 0
        self._evaluated_step: int | None = None
        self._model: InferenceModel | None = None
        self._dataset: tf.data.Dataset | None = None

    def next_step_due(self, step: int) -> int:
        """A whole number of periods after the first step of this training."""
        # step + n - ((step - first) mod n): the next multiple of n, counted from `first`.
        return step + self.every_steps - (step - self._first_step) % self.every_steps

    def begin(self, context: HookContext) -> None:
        """Evaluates before the first step."""
        self._first_step, self._evaluated_step = context.global_step, None
        self._model = InferenceModel(self._estimator.new_model(ModeKeys.EVAL))
        self._dataset = call_input_fn(
            self._input_fn,
            ModeKeys.EVAL,
            self._estimator.params,
            self._estimator.config,
            OneReplica(),
        )
        self._evaluate(context)

    def after_steps(self, context: HookContext) -> None:
        """Evaluates."""
        self._evaluate(context)

    def end(self, context: HookContext) -> None:
        """Evaluates the last step, unless that was done."""
        if self._evaluated_step != context.global_step:
            self._evaluate(context)

    def _evaluate(self, context: HookContext) -> None:
        if self._model is None or self._dataset is None:
            raise RuntimeError("begin was not called.")
        # Into a model of its own, since that of training has no metrics.
        self._model.assign({name: value.numpy() for name, value in context.variables.items()})
        self._evaluated_step = context.global_step
        evaluation.evaluate(
            self._model,
            self._dataset,
            self._steps,
            self._estimator.eval_dir(self._name),
            BatchHooks(self._hooks, ModeKeys.EVAL, self._estimator.model_dir),
            OneReplica(),
        )


def make_stop_at_checkpoint_step_hook(
    estimator: Estimator, last_step: int, wait_after_file_check_secs: float = 30
) -> Hook:
    """A hook that ends the training at the global step ``last_step``, for each task of a cluster.

    The chief stops when it reaches the step; another task when a checkpoint of it is in the
    ``model_dir``, for which it looks every ``wait_after_file_check_secs`` at most.

    Raises:
        ArgumentError: ``last_step`` is no whole number.
        ArgumentTypeError: ``estimator`` is no estimator.
    """
    if not isinstance(estimator, Estimator):
        raise ArgumentTypeError(f"estimator: expected an Estimator, got {estimator!r}.")
    if estimator.config.is_chief:
        return StopAtStepHook(last_step=last_step)
    return StopAtCheckpointStepHook(estimator.model_dir, last_step, wait_after_file_check_secs)
