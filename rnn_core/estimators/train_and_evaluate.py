"""Training with evaluations at its checkpoints; each task of a cluster runs its role."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from rnn_core.config.cluster import CHIEF, EVALUATOR, MASTER, PS, WORKER
from rnn_core.distribution.server_tasks import serve
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.estimators.checkpoint_evaluation import CheckpointEvaluation
from rnn_core.estimators.estimator import Estimator
from rnn_core.estimators.evaluator_task import evaluate_until_training_ends
from rnn_core.estimators.specs import EvalSpec, TrainSpec
from rnn_core.graph.eager import eagerly
from rnn_core.hooks import Hook, HookContext

logger = logging.getLogger("rnn_core")

Results: TypeAlias = tuple[dict[str, float], list[str | None]]


@eagerly
def train_and_evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> Results:
    """Trains, evaluates at checkpoints and at the end, and exports after each evaluation.

    Restarted after a kill, it continues from the newest checkpoint, which it evaluates first if the
    killed run had not.

    In a cluster each task calls it, and does its part: workers in step train together, evaluate
    together if no evaluator is there to do it, and leave exports to the chief. A task of type
    ``evaluator`` evaluates each new checkpoint until the training has ended. With parameter servers
    the chief leads the training; ``worker`` and ``ps`` serve it until it has ended.

    Returns:
        The metrics of the last evaluation, and what each exporter returned for it; nothing for
        tasks that have not evaluated.

    Raises:
        ArgumentTypeError: an argument is of another type.
        WorkerLostError: another task of the cluster is gone, or did not answer in time.
        RnnCoreError: any other error of ``Estimator.train`` and ``Estimator.evaluate``.
    """
    for given, kind in ((estimator, Estimator), (train_spec, TrainSpec), (eval_spec, EvalSpec)):
        if not isinstance(given, kind):
            raise ArgumentTypeError(f"Expected an instance of {kind.__name__}, got {given!r}.")
    config = estimator.config
    if config.num_ps_replicas and config.task_type in (WORKER, PS):
        serve(config, estimator.model_dir)
        return {}, []
    part = _PARTS.get(config.task_type)
    if part is None:
        raise ArgumentError(
            f"TF_CONFIG: expected a task of type {', '.join(_PARTS)} or {PS}, got "
            f"{config.task_type!r}."
        )
    return part(estimator, train_spec, eval_spec)


def _train(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> Results:
    evaluation = CheckpointEvaluation(estimator, eval_spec, train_spec.max_steps)
    # First among the hooks: early stopping reads what this evaluation writes.
    hooks = [_EvaluationHook(estimator, evaluation), *(train_spec.hooks or ())]
    estimator.train(
        train_spec.input_fn,
        hooks=hooks,
        max_steps=train_spec.max_steps,
        saving_listeners=train_spec.saving_listeners,
    )
    evaluation.finish()
    return evaluation.metrics, evaluation.exports


def _evaluate(estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> Results:
    evaluation = CheckpointEvaluation(estimator, eval_spec, train_spec.max_steps)
    evaluate_until_training_ends(estimator, evaluation, eval_spec)
    return evaluation.metrics, evaluation.exports


_PARTS: Final[dict[str, Callable[[Any, Any, Any], Results]]] = {
    CHIEF: _train,
    MASTER: _train,
    WORKER: _train,
    EVALUATOR: _evaluate,
}


class _EvaluationHook(Hook):
    """Evaluates after a checkpoint was saved."""

    def __init__(self, estimator: Estimator, evaluation: CheckpointEvaluation) -> None:
        self._estimator, self._evaluation = estimator, evaluation

    def next_step_due(self, step: int) -> int | None:
        """None: it is called at checkpoints only."""
        return None

    def begin(self, context: HookContext) -> None:
        """Evaluates a checkpoint that a killed run saved and did not evaluate."""
        checkpoint, step = context.checkpoint_path, context.global_step
        if checkpoint is None or step == 0 or self._evaluation.was_evaluated(step):
            return
        if self._evaluation.is_time():
            self._evaluation.evaluate(checkpoint, False)

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        """Evaluates, unless the last evaluation began less than ``throttle_secs`` ago."""
        if context.global_step and self._evaluation.is_time():
            final = self._evaluation.is_final(context.global_step)
            self._evaluation.evaluate(checkpoint_path, final)
