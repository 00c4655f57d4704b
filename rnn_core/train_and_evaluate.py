"""Training with an evaluation at its checkpoints."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rnn_core.arguments import check_steps
from rnn_core.estimator import Estimator
from rnn_core.exporters import Exporter
from rnn_core.files import read_json, storage_errors, write_text
from rnn_core.hooks import Hook, HookContext
from rnn_core.types import InputFn


@dataclasses.dataclass(frozen=True)
class TrainSpec:
    """What to train on; ``max_steps`` None trains to the end of the input."""

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Sequence[Hook] = ()
    saving_listeners: Sequence[Hook] = ()

    def __post_init__(self) -> None:
        check_steps(None, self.max_steps)


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """What to evaluate on, and how often: at a checkpoint, ``throttle_secs`` after the last one.

    ``steps`` is in batches, None for all. The first evaluation is not before ``start_delay_secs``
    and ``throttle_secs`` have passed, the last one is at the end.
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Sequence[Any] = ()
    exporters: Sequence[Exporter] | Exporter = ()
    start_delay_secs: float = 120
    throttle_secs: float = 600

    def __post_init__(self) -> None:
        check_steps(self.steps, None)

    @property
    def exporter_list(self) -> list[Exporter]:
        """The exporters, also if one was given alone."""
        given = self.exporters or ()
        return list(given) if isinstance(given, Sequence) else [given]


def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, float], list[str | None]]:
    """Trains, evaluates at checkpoints and at the end, and exports after each evaluation.

    Started again after a kill, it goes on from the newest checkpoint, which it first evaluates if
    the kill came before that.

    Returns:
        The metrics of the last evaluation, and what each exporter returned for it.

    Raises:
        As ``Estimator.train`` and ``Estimator.evaluate``.
    """
    evaluator = _Evaluator(estimator, train_spec, eval_spec)
    # First among the hooks: early stopping reads what this evaluation writes.
    hooks = [evaluator, *(train_spec.hooks or ())]
    estimator.train(
        train_spec.input_fn,
        hooks=hooks,
        max_steps=train_spec.max_steps,
        saving_listeners=train_spec.saving_listeners,
    )
    return evaluator.finish()


class _Evaluator(Hook):
    """Evaluates after a checkpoint was saved."""

    every_steps = 1 << 40

    def __init__(self, estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> None:
        self._estimator = estimator
        self._max_steps = train_spec.max_steps
        self._spec = eval_spec
        wait = max(eval_spec.start_delay_secs, eval_spec.throttle_secs)
        self._next_at = time.monotonic() + wait
        self._metrics: dict[str, float] = {}
        self._exports: list[str | None] = []
        self._last: tuple[str, bool] | None = None
        self._marker = Path(estimator.eval_dir(eval_spec.name)) / "last_evaluation.json"

    def begin(self, context: HookContext) -> None:
        """Evaluates a checkpoint that a killed run saved and did not evaluate."""
        checkpoint = self._estimator.latest_checkpoint()
        evaluated = (read_json(self._marker) or {}).get("global_step")
        missed = context.global_step > 0 and evaluated != context.global_step
        if checkpoint and missed and time.monotonic() >= self._next_at:
            self._evaluate(checkpoint, False)

    def after_save(self, context: HookContext, checkpoint_path: str) -> None:
        """Evaluates, unless the last evaluation was too short a time ago."""
        if context.global_step and time.monotonic() >= self._next_at:
            final = self._max_steps is not None and context.global_step >= self._max_steps
            self._evaluate(checkpoint_path, final)

    def finish(self) -> tuple[dict[str, float], list[str | None]]:
        """Evaluates the last checkpoint, unless that was done, and exports for the last time."""
        checkpoint = self._estimator.latest_checkpoint()
        if checkpoint is None:
            return {}, []
        if self._last is None or self._last[0] != checkpoint:
            self._evaluate(checkpoint, True)
        elif not self._last[1]:
            self._export(checkpoint, True)
        return self._metrics, self._exports

    def _evaluate(self, checkpoint: str, final: bool) -> None:
        spec = self._spec
        self._metrics = self._estimator.evaluate(
            spec.input_fn, spec.steps, spec.hooks, checkpoint, spec.name
        )
        self._export(checkpoint, final)
        with storage_errors(self._marker.parent):
            record = {"global_step": self._metrics["global_step"]}
            write_text(self._marker, json.dumps(record))
        self._next_at = time.monotonic() + spec.throttle_secs

    def _export(self, checkpoint: str, final: bool) -> None:
        base = Path(self._estimator.model_dir) / "export"
        self._exports = [
            exporter.export(
                self._estimator,
                str(base / exporter.name),
                checkpoint,
                self._metrics,
                final,
            )
            for exporter in self._spec.exporter_list
        ]
        self._last = (checkpoint, final)
