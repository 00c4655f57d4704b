"""What ``train_and_evaluate`` trains on, and what it evaluates on and how often."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from rnn_core import callables
from rnn_core.checks import check_steps
from rnn_core.errors import ArgumentError, ArgumentTypeError
from rnn_core.export.exporters import AnyExporter
from rnn_core.hooks import check_hooks, check_listeners
from rnn_core.loops.input_fn import INPUT_FN_ARGUMENTS
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
        object.__setattr__(self, "max_steps", check_steps(self.max_steps, 1, "max_steps"))
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
    # The defaults of steps, start_delay_secs and throttle_secs are those of 2.15.
    steps: int | None = 100
    name: str | None = None
    hooks: Iterable[Any] | None = ()
    exporters: Iterable[AnyExporter] | AnyExporter | None = ()
    start_delay_secs: float = 120
    throttle_secs: float = 600

    def __post_init__(self) -> None:
        _check_input_fn(self.input_fn)
        object.__setattr__(self, "steps", check_steps(self.steps, 1, "steps"))
        if self.name is not None and not isinstance(self.name, str):
            raise ArgumentTypeError(f"name: expected a string or None, got {self.name!r}.")
        for field in ("start_delay_secs", "throttle_secs"):
            if getattr(self, field) < 0:
                raise ArgumentError(f"{field}: expected at least 0, got {getattr(self, field)}.")
        object.__setattr__(self, "hooks", check_hooks(self.hooks))
        object.__setattr__(self, "exporters", checked_exporters(self.exporters))


def _check_input_fn(input_fn: Any) -> None:
    callables.check("input_fn", input_fn, INPUT_FN_ARGUMENTS)


def checked_exporters(given: Any) -> tuple[AnyExporter, ...]:
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
