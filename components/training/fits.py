"""The fits that make a model: one with a validation split, and perhaps another on all rows.

The first fit chooses how long to train. The second, the refit, is the first one with the rows and
the lengths replaced: it has no rows to be held against, and ends where the first one was best.
"""

from __future__ import annotations

from dataclasses import replace

from components.artifacts.values import Examples
from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.training.datasets import count
from components.training.job import TrainingJob
from components.training.selection import Selection
from components.training.steps import as_many_epochs, steps_of

_ALL = Selection(("train", "validation"))


def first_job(
    examples: Examples,
    model: ModelConfig,
    training: TrainingConfig,
    seed: int,
    launch: LaunchConfig,
) -> TrainingJob:
    """A fit to the training split, held against the validation split."""
    steps = steps_of(training, count(examples, "train"))
    return TrainingJob(examples, model, training, seed, steps, launch=launch)


def refit_job(first: TrainingJob, chosen_step: int) -> TrainingJob:
    """The same fit to the training and the validation split, for as many epochs as were chosen."""
    rows, more_rows = count(first.examples, first.rows), count(first.examples, _ALL)
    return replace(
        first,
        steps=as_many_epochs(first.steps, chosen_step, rows, more_rows),
        rows=_ALL,
        held_out=None,
        # It is held against nothing that could tell which checkpoint is best.
        training=replace(first.training, checkpoint="last"),
        name="refit",
    )
