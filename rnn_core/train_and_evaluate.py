"""Training with an evaluation at its checkpoints."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from rnn_core.arguments import check_steps
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.estimator import Estimator
from rnn_core.exporters import Exporter
from rnn_core.files import read_json, storage_errors, write_text
from rnn_core.hooks import Hook, HookContext, check_hooks, check_listeners
from rnn_core.types import InputFn


@dataclasses.dataclass(frozen=True)
class TrainSpec:
    """What to train on; ``max_steps`` None trains to the end of the input.

    Raises:
        ArgumentTypeError: ``input_fn`` is no function, or a hook or a listener is none.
        ArgumentError: ``max_steps`` is not positive.
    """

    input_fn: InputFn
    max_steps: int | None = None
    hooks: Iterable[Any] | None = ()
    saving_listeners: Iterable[Any] | None = ()

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        check_steps(None, self.max_steps)
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "saving_listeners", check_listeners(self.saving_listeners))


@dataclasses.dataclass(frozen=True)
class EvalSpec:
    """What to evaluate on, and how often: at a checkpoint, ``throttle_secs`` after the last
    evaluation began.

    ``steps`` is in batches, None for all. The first evaluation is not before ``start_delay_secs``
    have passed, the last one is at the end.

    Raises:
        ArgumentTypeError: an argument is of another type.
        ArgumentError: a number is negative, or two exporters have one name.
    """

    input_fn: InputFn
    steps: int | None = 100
    name: str | None = None
    hooks: Iterable[Any] | None = ()
    exporters: Iterable[Exporter] | Exporter | None = ()
    start_delay_secs: float = 120
    throttle_secs: float = 600

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        check_steps(self.steps, None)
        if self.name is not None and not isinstance(self.name, str):
            raise ArgumentTypeError(f"name: expected a string or None, got {self.name!r}.")
        for field in ("start_delay_secs", "throttle_secs"):
            if getattr(self, field) < 0:
                raise ArgumentError(f"{field}: expected at least 0, got {getattr(self, field)}.")
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "exporters", _checked_exporters(self.exporters))


def _check_input_fn(input_fn: Any) -> None:
    if not callable(input_fn):
        raise ArgumentTypeError(f"input_fn: expected a function, got {input_fn!r}.")


def _checked_exporters(given: Any) -> tuple[Exporter, ...]:
    """The exporters, also if one was given alone; their names are directories."""
    if not given:
        return ()
    exporters = (given,) if _exports(given) or not isinstance(given, Iterable) else tuple(given)
    for exporter in exporters:
        if not _exports(exporter):
            raise ArgumentTypeError(f"exporters: expected exporters, got {exporter!r}.")
    names = [exporter.name for exporter in exporters]
    if not all(isinstance(name, str) and name for name in names) or len({*names}) < len(names):
        raise ArgumentError(f"exporters: expected a name for each, all different, got {names}.")
    return exporters


def _exports(given: Any) -> bool:
    return hasattr(given, "name") and callable(getattr(given, "export", None))


def train_and_evaluate(
    estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec
) -> tuple[dict[str, float], list[str | None]]:
    """Trains, evaluates at checkpoints and at the end, and exports after each evaluation.

    Started again after a kill, it goes on from the newest checkpoint, which it first evaluates if
    the kill came before that.

    Returns:
        The metrics of the last evaluation, and what each exporter returned for it.

    Raises:
        ArgumentTypeError: an argument is of another type.
        As ``Estimator.train`` and ``Estimator.evaluate``.
    """
    for given, kind in ((estimator, Estimator), (train_spec, TrainSpec), (eval_spec, EvalSpec)):
        if not isinstance(given, kind):
            raise ArgumentTypeError(f"Expected an instance of {kind.__name__}, got {given!r}.")
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

    def __init__(self, estimator: Estimator, train_spec: TrainSpec, eval_spec: EvalSpec) -> None:
        self._estimator = estimator
        self._max_steps = train_spec.max_steps
        self._spec = eval_spec
        self._next_at = time.monotonic() + eval_spec.start_delay_secs
        self._metrics: dict[str, float] = {}
        self._exports: list[str | None] = []
        self._last: tuple[str, bool] | None = None
        self._marker = Path(estimator.eval_dir(eval_spec.name)) / "last_evaluation.json"

    def next_look(self, step: int) -> int | None:
        """Never between checkpoints."""
        return None

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
        self._next_at = time.monotonic() + spec.throttle_secs
        self._metrics = self._estimator.evaluate(
            spec.input_fn, spec.steps, spec.hooks, checkpoint, spec.name
        )
        self._export(checkpoint, final)
        with storage_errors(self._marker.parent):
            record = {"global_step": self._metrics["global_step"]}
            write_text(self._marker, json.dumps(record))

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
            for exporter in _checked_exporters(self._spec.exporters)
        ]
        self._last = (checkpoint, final)
