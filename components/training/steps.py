"""Epochs become steps here, and nowhere else: all lengths of a fit in training steps.

An epoch of N rows is N / batch_size steps. What is a number of epochs in the config is rounded up
to whole steps, so that each row is seen at least so often.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from components.config import TrainingConfig

_MAX_STEPS = 1000
"""Where the config gives no length."""
_EVALUATE_EVERY_STEPS = 50
"""Where the config gives its length in steps, and not how often to evaluate."""


@dataclass(frozen=True)
class Steps:
    """The lengths of one fit, in steps."""

    end: int
    """Where the fit ends at the latest."""
    schedule_end: int
    """Where a schedule of the learning rate ends."""
    evaluate_every: int
    """Between two checkpoints, each of which is evaluated if there are rows for it."""
    patience: int | None
    """The fit ends after so many steps without a better evaluation; None: it does not."""


def steps_of(training: TrainingConfig, rows: int) -> Steps:
    """The lengths of a fit to so many rows."""

    def in_steps(epochs: int) -> int:
        return -(-epochs * rows // training.batch_size)  # rounded up

    if training.max_epochs is not None:
        end, every = in_steps(training.max_epochs), in_steps(1)
    else:
        end, every = training.max_steps or _MAX_STEPS, _EVALUATE_EVERY_STEPS
    if training.evaluate_every_epochs is not None:
        every = in_steps(training.evaluate_every_epochs)
    elif training.evaluate_every_steps is not None:
        every = training.evaluate_every_steps
    patience = training.early_stopping_patience_steps
    if training.early_stopping_patience_epochs is not None:
        patience = in_steps(training.early_stopping_patience_epochs)
    return Steps(end, end, every, patience)


def as_many_epochs(steps: Steps, chosen: int, rows: int, more_rows: int) -> Steps:
    """The lengths of a fit to more rows, which sees each as often as another one up to ``chosen``.

    So its schedule is the same against the epoch, and breaks off where the other one was best.

    Args:
        steps: of the other fit.
        chosen: a step of it.
        rows: to which it was fitted.
        more_rows: to which the new one is fitted.
    """
    return replace(
        steps,
        end=-(-chosen * more_rows // rows),
        schedule_end=-(-steps.schedule_end * more_rows // rows),
        patience=None,
    )
