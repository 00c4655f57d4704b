"""RunConfig: where a model lives and how often somebody looks at its training."""

from __future__ import annotations

import dataclasses
from typing import Any, Final

from rnn_core.errors import ArgumentError, UnsupportedError


class _UseDefault:
    """Stands for "not given" where ``None`` has a meaning of its own."""

    def __repr__(self) -> str:
        return "USE_DEFAULT"


USE_DEFAULT: Final[Any] = _UseDefault()
_DEFAULT_SAVE_SECONDS: Final = 600


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Settings of a run, with the names and defaults of ``tf.estimator.RunConfig``.

    Checkpoints are saved every ``save_checkpoints_steps`` steps or every ``save_checkpoints_secs``
    seconds (600 if neither is given; both ``None``: only at the end). ``tf_random_seed=None`` takes
    fresh entropy; a seed repeats a training to the bit on one machine's CPUs, without
    ``enable_op_determinism``, if the input repeats: a ``shuffle`` needs a seed of its own.
    ``keep_checkpoint_max`` of 0 or ``None`` keeps all checkpoints.

    Raises:
        ArgumentError: both ways of saving are given, or a number is out of its range.
        UnsupportedError: a distribution strategy is given.
    """

    model_dir: str | None = None
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = USE_DEFAULT
    save_checkpoints_secs: float | None = USE_DEFAULT
    keep_checkpoint_max: int | None = 5
    keep_checkpoint_every_n_hours: float = 10000
    log_step_count_steps: int | None = 100
    train_distribute: Any = None
    eval_distribute: Any = None

    def __post_init__(self) -> None:
        self._check_saving()
        for name in ("save_summary_steps", "save_checkpoints_steps", "log_step_count_steps"):
            _check_at_least(name, getattr(self, name), 1)
        _check_at_least("save_checkpoints_secs", self.save_checkpoints_secs, 1)
        _check_at_least("keep_checkpoint_max", self.keep_checkpoint_max, 0)
        _check_at_least("keep_checkpoint_every_n_hours", self.keep_checkpoint_every_n_hours, 0)
        if self.train_distribute is not None or self.eval_distribute is not None:
            raise UnsupportedError(
                "RunConfig: train_distribute and eval_distribute are not supported yet; "
                "leave them out to train in this process."
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
        return dataclasses.replace(self, **changes)


def _none_if_default(value: Any) -> Any:
    return None if value is USE_DEFAULT else value


def _check_at_least(name: str, value: float | None, least: float) -> None:
    if value is not None and value < least:
        raise ArgumentError(f"RunConfig.{name}: expected at least {least} or None, got {value}.")
