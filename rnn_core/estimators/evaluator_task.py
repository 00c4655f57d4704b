"""An evaluator beside a training: it evaluates each new checkpoint until the training has ended."""

from __future__ import annotations

import logging
import time
from typing import Final

from rnn_core.distribution.heartbeat import Presence, Watch
from rnn_core.errors import CheckpointError, WorkerLostError
from rnn_core.estimators.checkpoint_evaluation import EVALUATOR_TASK, CheckpointEvaluation
from rnn_core.estimators.estimator import Estimator
from rnn_core.estimators.specs import EvalSpec
from rnn_core.storage import checkpoints

logger = logging.getLogger("rnn_core")

_POLL_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 30.0
"""For so long a training that was over before the evaluator came may begin anew."""


def evaluate_until_training_ends(
    estimator: Estimator, evaluation: CheckpointEvaluation, spec: EvalSpec
) -> None:
    """Evaluates the newest checkpoint whenever there is a new one; the last one as the final one.

    The training has ended when a checkpoint has reached ``max_steps``, or when the chief says so in
    its file (see ``distribution.presence``).

    Raises:
        WorkerLostError: the chief was there, and has been silent for ``worker_timeout_secs``; or
            it has not come in ``session_creation_timeout_secs``.
        As ``Estimator.evaluate`` and the exporters.
    """
    ends = _TrainingEnd(estimator)
    with Presence(estimator.model_dir, EVALUATOR_TASK).entered():
        time.sleep(spec.start_delay_secs)
        _evaluate_each(estimator.model_dir, evaluation, spec, ends)


def _evaluate_each(
    model_dir: str, evaluation: CheckpointEvaluation, spec: EvalSpec, ends: _TrainingEnd
) -> None:
    seen: str | None = None
    while True:
        # Asked before the look for a checkpoint: what is saved last is there when it has ended.
        ended = ends.has_come()
        newest = _newest(model_dir)
        if newest is not None and newest != seen:
            seen = newest
            step = checkpoints.step_of(newest)
            evaluation.evaluate(newest, evaluation.is_final(step))
            if evaluation.is_final(step):
                return
            _pause(spec.throttle_secs, ends)
        elif ended:
            if newest is not None:
                evaluation.export_finally(newest)
            return
        else:
            time.sleep(_POLL_SECONDS)


def _pause(seconds: float, ends: _TrainingEnd) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not ends.has_come():
        time.sleep(min(_POLL_SECONDS, max(until - time.monotonic(), 0.0)))


def _newest(model_dir: str) -> str | None:
    """The newest checkpoint; None also while the chief is pruning it away."""
    try:
        return checkpoints.newest_intact(model_dir)
    except CheckpointError:
        return None


class _TrainingEnd:
    """Whether the chief has said that the training is over."""

    def __init__(self, estimator: Estimator) -> None:
        self._config = estimator.config
        self._watches = [
            Watch(estimator.model_dir, task) for task in ("chief-0", "master-0", "worker-0")
        ]
        self._was_done = any(watch.first == "done" for watch in self._watches)

    def has_come(self) -> bool:
        """Raises WorkerLostError if the chief is silent for too long."""
        looks = [watch.look() for watch in self._watches]
        if any(state == "done" for state, _ in looks):
            return True
        silent = min(seconds for _, seconds in looks)
        came = any(state is not None for state, _ in looks)
        if not came and self._was_done and silent > _PATIENCE_SECONDS:
            return True
        config = self._config
        limit = config.worker_timeout_secs if came else config.session_creation_timeout_secs
        if silent > limit:
            raise WorkerLostError(
                f"The evaluator has heard nothing of the chief for {silent:.0f} s: expected news "
                "in the directory workers of the model_dir. Start the training again, with the "
                "same model_dir."
            )
        return False
