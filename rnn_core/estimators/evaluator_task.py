"""An evaluator beside a training: it evaluates each new checkpoint until the training has ended."""

from __future__ import annotations

import logging
import time
from typing import Final

from rnn_core.distribution.heartbeat import Heartbeat, HeartbeatWatcher
from rnn_core.errors import CheckpointError, WorkerLostError
from rnn_core.estimators.checkpoint_evaluation import EVALUATOR_TASK, CheckpointEvaluation
from rnn_core.estimators.estimator import Estimator
from rnn_core.estimators.specs import EvalSpec
from rnn_core.storage import checkpoints

logger = logging.getLogger("rnn_core")

# Short beside an evaluation; each poll reads files of the model_dir, perhaps over a network.
_POLL_SECONDS: Final = 0.5
_RESTART_SECONDS: Final = 30.0
"""A training that had ended before the evaluator started may restart within this time."""


def evaluate_until_training_ends(
    estimator: Estimator, evaluation: CheckpointEvaluation, spec: EvalSpec
) -> None:
    """Evaluates the newest checkpoint whenever there is a new one; the last one as the final one.

    The training has ended when a checkpoint has reached ``max_steps``, or when the heartbeat
    of the chief has the state ``done``.

    Raises:
        WorkerLostError: the chief has sent no heartbeat for ``worker_timeout_secs``, or has not
            started within ``session_creation_timeout_secs``.
        As ``Estimator.evaluate`` and the exporters.
    """
    # Before the delay: it notices changes of the heartbeat from here on, and a short training may
    # end within the delay. The own heartbeat begins before it, too, so that the training leaves its
    # evaluations to this task from the start.
    ends = _TrainingEnd(estimator)
    with Heartbeat(estimator.model_dir, EVALUATOR_TASK).entered():
        time.sleep(spec.start_delay_secs)
        _evaluate_each(estimator.model_dir, evaluation, spec, ends)


def _evaluate_each(
    model_dir: str, evaluation: CheckpointEvaluation, spec: EvalSpec, ends: _TrainingEnd
) -> None:
    seen: str | None = None
    while True:
        # Before the search for a checkpoint: once the training has ended, the last one exists.
        # The other way round, a checkpoint saved in between would be missed.
        ended = ends.has_come()
        newest = _newest(model_dir, seen)
        if newest is not None and newest != seen:
            seen = newest
            # `throttle_secs` lie between the starts of two evaluations, however long one takes.
            next_at = time.monotonic() + spec.throttle_secs
            step = checkpoints.read_step(newest)
            evaluation.evaluate(newest, evaluation.is_final(step))
            if evaluation.is_final(step):
                return
            _pause(next_at, ends)
        elif ended:
            if newest is not None:
                evaluation.export_finally(newest)
            return
        else:
            time.sleep(_POLL_SECONDS)


def _pause(until: float, ends: _TrainingEnd) -> None:
    while time.monotonic() < until and not ends.has_come():
        time.sleep(min(_POLL_SECONDS, max(until - time.monotonic(), 0.0)))


def _newest(model_dir: str, seen: str | None) -> str | None:
    """The newest checkpoint; None also if the chief deletes it while it is read."""
    # Only a new one is read: that reads all of its variables, perhaps over a network.
    if seen is not None and checkpoints.latest(model_dir) == seen:
        return seen
    try:
        return checkpoints.newest_intact(model_dir)
    except CheckpointError:
        return None


class _TrainingEnd:
    """Detects the end of the training from the chief's heartbeat."""

    def __init__(self, estimator: Estimator) -> None:
        self._config = estimator.config
        self._watchers = [
            HeartbeatWatcher(estimator.model_dir, task)
            # Whichever leads the cluster: the first worker does where there is no chief.
            for task in ("chief-0", "master-0", "worker-0")
        ]
        self._was_done = any(watcher.first == "done" for watcher in self._watchers)

    def has_come(self) -> bool:
        """Whether the training has ended. Raises WorkerLostError if the heartbeat has stopped."""
        polled = [watcher.poll() for watcher in self._watchers]
        if any(state == "done" for state, _ in polled):
            return True
        silent_seconds = min(seconds for _, seconds in polled)
        started = any(state is not None for state, _ in polled)
        # The file says `done` since before this evaluator started: the training is over, unless it
        # starts again now, and then the file would change.
        if not started and self._was_done and silent_seconds > _RESTART_SECONDS:
            return True
        config = self._config
        limit = config.worker_timeout_secs if started else config.session_creation_timeout_secs
        if silent_seconds > limit:
            raise WorkerLostError(
                f"The evaluator has seen no heartbeat of the chief for {silent_seconds:.0f} s: "
                "expected a file that changes in the directory workers of the model_dir. Start the "
                "training again, with the same model_dir."
            )
        return False
