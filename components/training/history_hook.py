"""What a training writes to its history while it goes on: hooks of the estimator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import rnn_core
from components.artifacts.history import (
    append_point,
    name_in_fit,
    read_history,
    truncate_after,
)
from components.config import EARLY_STOPPING_METRICS

OnPoint: TypeAlias = Callable[[int, Mapping[str, float]], None]
"""Called with the global step and the newest metrics."""


class Recorder(rnn_core.Hook):
    """Writes the training loss to the history, and reports it.

    Args:
        history: the file; None for a worker that only stops where the chief does.
        every_steps: between two lines.
        on_point: called for every new line.
        fit: names the fit, where a model takes several.
    """

    def __init__(
        self,
        history: Path | None,
        every_steps: int,
        on_point: OnPoint = lambda step, metrics: None,
        fit: str = "",
    ) -> None:
        self.every_steps = every_steps
        self._history = history
        self._on_point = on_point
        self._fit = fit

    def begin(self, context: Any) -> None:
        """Drops what this training will write again."""
        # It was killed after its last checkpoint: the steps since then are repeated.
        if self._history:
            truncate_after(self._history, context.global_step, self._fit)

    def after_steps(self, context: Any) -> None:
        """Writes the training loss."""
        self._record(context.global_step, self._named({"train/loss": context.loss}))

    def record_evaluation(self, step: int, metrics: Mapping[str, float]) -> None:
        """Leaves out what is written already: the last evaluation is exported again at the end."""
        known = read_history(self._history) if self._history else ()
        metrics = self._named(metrics)
        if not any(
            point.step == step and metrics.keys() <= point.metrics.keys() for point in known
        ):
            self._record(step, metrics)

    def _named(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {name_in_fit(self._fit, name): value for name, value in metrics.items()}

    def _record(self, step: int, metrics: Mapping[str, float]) -> None:
        if self._history:
            append_point(self._history, step, metrics)
            self._on_point(step, metrics)


class ValidationRecorder(rnn_core.Exporter):
    """Writes each evaluation on the validation split to the history."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    @property
    def name(self) -> str:
        """Names its folder, which it does not use."""
        return "history"

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, float],
        is_the_final_export: bool,
    ) -> None:
        """Writes the metrics of the evaluation."""
        metrics = {
            f"validation/{name}": float(eval_result[name]) for name in EARLY_STOPPING_METRICS
        }
        self._recorder.record_evaluation(int(eval_result["global_step"]), metrics)
