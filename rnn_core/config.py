"""RunConfig: where a model lives and how often somebody looks at its training."""

from __future__ import annotations

import dataclasses
import logging
import os
from typing import Any, Final

from rnn_core.errors import ArgumentError, UnsupportedError

logger = logging.getLogger("rnn_core")


class _UseDefault:
    """Stands for "not given" where ``None`` has a meaning of its own."""

    def __repr__(self) -> str:
        return "USE_DEFAULT"


USE_DEFAULT: Final[Any] = _UseDefault()
_DEFAULT_SAVE_SECONDS: Final = 600
_NEVER_IF_ZERO: Final = (
    "save_summary_steps",
    "save_checkpoints_steps",
    "save_checkpoints_secs",
    "log_step_count_steps",
)


_WITHOUT_EFFECT: Final = {
    "session_config": "there is no session; tf.config.threading sets the numbers of threads",
    "device_fn": "a strategy places variables; choose devices with tf.config.set_visible_devices",
    "protocol": "the strategy's cluster resolver chooses it",
    "experimental_max_worker_delay_secs": "workers start together",
}
"""Settings that are accepted and do nothing, with what does it instead."""


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Settings of a run, with the names, the order and the defaults of ``tf.estimator.RunConfig``.

    Checkpoints are saved every ``save_checkpoints_steps`` steps or every ``save_checkpoints_secs``
    seconds (600 if neither is given; both ``None``: only at the end). ``tf_random_seed=None`` takes
    fresh entropy; a seed repeats a training to the bit on one machine's CPUs, without
    ``enable_op_determinism``, if the input repeats: a ``shuffle`` needs a seed of its own.
    ``keep_checkpoint_max`` of 0 or ``None`` keeps all checkpoints; 0 for another number of steps or
    seconds means never, as ``None`` does.

    ``session_config``, ``device_fn``, ``protocol`` and ``experimental_max_worker_delay_secs`` do
    nothing, with a warning; nor do ``session_creation_timeout_secs`` and
    ``checkpoint_save_graph_def``, as there are neither sessions nor graphs to save.

    Raises:
        ArgumentError: both ways of saving are given, or a value is out of its range.
        UnsupportedError: a distribution strategy is given.
    """

    model_dir: str | None = None
    """A ``os.PathLike`` becomes its string."""
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = USE_DEFAULT
    save_checkpoints_secs: float | None = USE_DEFAULT
    session_config: Any = None
    keep_checkpoint_max: int | None = 5
    keep_checkpoint_every_n_hours: float = 10000
    log_step_count_steps: int | None = 100
    train_distribute: Any = None
    device_fn: Any = None
    protocol: str | None = None
    eval_distribute: Any = None
    experimental_distribute: Any = None
    experimental_max_worker_delay_secs: int | None = None
    session_creation_timeout_secs: float = 7200
    checkpoint_save_graph_def: bool = True

    def __post_init__(self) -> None:
        self._check_saving()
        self._check_values()
        for name in (*_NEVER_IF_ZERO, "model_dir"):
            object.__setattr__(self, name, _normal(getattr(self, name)))
        for name, instead in _WITHOUT_EFFECT.items():
            if getattr(self, name) is not None:
                logger.warning("RunConfig.%s has no effect: %s.", name, instead)

    def _check_values(self) -> None:
        for name in (*_NEVER_IF_ZERO, "keep_checkpoint_max", "keep_checkpoint_every_n_hours"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ArgumentError(f"RunConfig.{name}: expected at least 0 or None, got {value}.")
        if self.tf_random_seed is not None and not isinstance(self.tf_random_seed, int):
            raise ArgumentError(
                f"RunConfig.tf_random_seed: expected a whole number, got {self.tf_random_seed!r}."
            )
        if self.model_dir is not None and not os.fspath(self.model_dir):
            raise ArgumentError("RunConfig.model_dir: expected a path or None, got ''.")
        for name in ("train_distribute", "eval_distribute", "experimental_distribute"):
            if getattr(self, name) is not None:
                raise UnsupportedError(
                    f"RunConfig: {name} is not supported yet; leave it out to train in this "
                    "process."
                )

    def _check_saving(self) -> None:
        given = [
            value is not USE_DEFAULT and value is not None
            for value in (self.save_checkpoints_steps, self.save_checkpoints_secs)
        ]
        if all(given):
            raise ArgumentError(
                "RunConfig: expected one of save_checkpoints_steps and save_checkpoints_secs, got "
                f"{self.save_checkpoints_steps} and {self.save_checkpoints_secs}; drop one."
            )
        untouched = (
            self.save_checkpoints_steps is USE_DEFAULT and self.save_checkpoints_secs is USE_DEFAULT
        )
        seconds = _DEFAULT_SAVE_SECONDS if untouched else self.save_checkpoints_secs
        object.__setattr__(self, "save_checkpoints_secs", _none_if_default(seconds))
        steps = _none_if_default(self.save_checkpoints_steps)
        object.__setattr__(self, "save_checkpoints_steps", steps)

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with ``changes``; giving one way of saving drops the other."""
        if changes.get("save_checkpoints_steps") is not None:
            changes.setdefault("save_checkpoints_secs", None)
        elif changes.get("save_checkpoints_secs") is not None:
            changes.setdefault("save_checkpoints_steps", None)
        unknown = sorted(set(changes) - {field.name for field in dataclasses.fields(self)})
        if unknown:
            raise ArgumentError(f"RunConfig.replace: there is no {', '.join(unknown)}.")
        return dataclasses.replace(self, **changes)


def _none_if_default(value: Any) -> Any:
    return None if value is USE_DEFAULT else value


def _normal(value: Any) -> Any:
    """0 as None, a path as its string."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value or None
