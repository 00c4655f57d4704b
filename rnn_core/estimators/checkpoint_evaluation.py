"""Evaluates checkpoints of a training, and runs the exporters after each evaluation."""

from __future__ import annotations

import json
import time
from typing import Final

from rnn_core.distribution.heartbeat import HeartbeatWatcher
from rnn_core.distribution.replicas import Replicas
from rnn_core.estimators.estimator import Estimator
from rnn_core.estimators.specs import EvalSpec, checked_exporters
from rnn_core.storage.files import join, parent_of, read_json, storage_errors, write_text

EVALUATOR_TASK: Final = "evaluator-0"
# 15 of its heartbeats: a shared file system may show them late.
_EVALUATOR_TIMEOUT_SECONDS: Final = 30.0
"""An evaluator without a heartbeat for so long is gone; the training evaluates again."""


class CheckpointEvaluation:
    """Evaluates checkpoints and exports after each; records the last one, also on disk.

    Many workers evaluate together; only the chief exports. While an evaluator is at work beside a
    training, the training leaves it all to the evaluator.
    """

    def __init__(self, estimator: Estimator, spec: EvalSpec, max_steps: int | None) -> None:
        self._estimator, self._spec, self._max_steps = estimator, spec, max_steps
        self._next_at = time.monotonic() + spec.start_delay_secs
        self._evaluator = HeartbeatWatcher(estimator.model_dir, EVALUATOR_TASK)
        self._last: tuple[str, bool] | None = None
        self._marker = join(estimator.eval_dir(spec.name), "last_evaluation.json")
        self.metrics: dict[str, float] = {}
        """Of the last evaluation."""
        self.exports: list[str | None] = []
        """What each exporter returned for it."""

    @property
    def _replicas(self) -> Replicas:
        return self._estimator.evaluation_replicas

    def is_time(self) -> bool:
        """Whether the start delay and the throttle time are over, by the chief's clock."""
        # Every worker must decide alike, and clocks differ: all take the answer of the chief.
        own = time.monotonic() >= self._next_at and not self.is_left_to_evaluator()
        return bool(self._replicas.all_gather([own])[0, 0])

    def is_left_to_evaluator(self) -> bool:
        """Whether an evaluator is at work."""
        state, seconds = self._evaluator.poll()
        return state == "running" and seconds < _EVALUATOR_TIMEOUT_SECONDS

    def was_evaluated(self, step: int) -> bool:
        """Whether the step was the last to be evaluated, perhaps by an earlier run."""
        # The chief's answer for all: it wrote the file, which others may see later.
        found = (read_json(self._marker) or {}).get("global_step") == step
        return bool(self._replicas.all_gather([found])[0, 0])

    def is_final(self, step: int) -> bool:
        """Whether the training ends with ``step``."""
        return self._max_steps is not None and step >= self._max_steps

    def evaluate(self, checkpoint: str, final: bool) -> None:
        """Evaluates and exports a checkpoint.

        Raises:
            As ``Estimator.evaluate`` and the exporters.
        """
        spec = self._spec
        # From the beginning of an evaluation, as in 2.15, however long it takes.
        self._next_at = time.monotonic() + spec.throttle_secs
        self.metrics = self._estimator.evaluate(
            spec.input_fn, spec.steps, spec.hooks, checkpoint, spec.name
        )
        self._export(checkpoint, final)
        # After the exports: a training that is killed among them evaluates this checkpoint again.
        if self._replicas.worker == 0:
            with storage_errors(parent_of(self._marker)):
                write_text(self._marker, json.dumps({"global_step": self.metrics["global_step"]}))

    def finish(self) -> None:
        """Evaluates the last checkpoint, unless that was done, and runs the final export."""
        checkpoint = self._estimator.latest_checkpoint()
        left = bool(self._replicas.all_gather([self.is_left_to_evaluator()])[0, 0])
        if checkpoint is None or left:
            return
        if self._last is None or self._last[0] != checkpoint:
            self.evaluate(checkpoint, True)
        else:
            self.export_finally(checkpoint)

    def export_finally(self, checkpoint: str) -> None:
        """Exports the last evaluated checkpoint as the final one, unless that was done."""
        if self._last is not None and not self._last[1]:
            self._export(checkpoint, True)

    def _export(self, checkpoint: str, final: bool) -> None:
        base = join(self._estimator.model_dir, "export")
        # On every worker, also those that export nothing: `finish` decides by it whether all of
        # them evaluate together, and so it must be the same everywhere.
        self._last = (checkpoint, final)
        if self._replicas.worker != 0:
            return
        self.exports = [
            exporter.export(
                self._estimator, join(base, exporter.name), checkpoint, self.metrics, final
            )
            for exporter in checked_exporters(self._spec.exporters)
        ]
