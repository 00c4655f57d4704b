"""The fits that make a model: those that are held against rows, and perhaps one on all rows.

Each network of an ensemble has the fits that it would have as the only one, but for those of the
folds, which choose for all.

The first fit, or the fits of the folds together, choose how long to train. The refit is the same
with the rows and the lengths replaced: it has no rows to be held against, and ends where the others
were best.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from components.artifacts.history import HistoryPoint, name_in_fit, series
from components.artifacts.values import Examples
from components.config import EARLY_STOPPING_METRICS, LaunchConfig, ModelConfig, TrainingConfig
from components.runtime.memory import memory_bytes
from components.training.datasets import bytes_in_memory, count, make_row_stores
from components.training.job import TrainingJob
from components.training.selection import Selection
from components.training.steps import as_many_epochs, steps_of

_LOG = logging.getLogger("rnnflow.training")

_ALL = Selection(("train", "validation"))


def first_job(
    examples: Examples,
    model: ModelConfig,
    training: TrainingConfig,
    seed: int,
    launch: LaunchConfig,
    processes: int = 1,
) -> TrainingJob:
    """A fit to the training split, held against the validation split.

    Args:
        examples: the examples.
        model: the network.
        training: the lengths.
        seed: decides initial weights and the order of the examples.
        launch: how workers run.
        processes: of this machine that train, each of which holds all rows, or none.
    """
    steps = steps_of(training, count(examples, "train"))
    rows = _ALL if training.is_refit else Selection(("train",))
    needed, limit = processes * bytes_in_memory(examples, rows), memory_bytes()
    on_disk = needed > launch.memory_fraction * limit
    if on_disk:
        _LOG.info(
            "Batches are read from disk, one by one: the rows would take %.1f GB of memory, and "
            "launch.memory_fraction = %g allows %.1f GB of %.1f GB.",
            needed / 1e9, launch.memory_fraction, launch.memory_fraction * limit / 1e9, limit / 1e9,
        )  # fmt: skip
        make_row_stores(examples, rows)
    return TrainingJob(examples, model, training, seed, steps, launch=launch, on_disk=on_disk)


def fold_jobs(first: TrainingJob) -> list[TrainingJob]:
    """A fit for each fold of the training and the validation rows, to all rows of the others."""
    folds, rows = first.training.folds, count(first.examples, _ALL)
    # The same steps for all, as their curves are put together: those of the fit to the fewest rows,
    # which is that of the first fold.
    steps = steps_of(first.training, rows - -(-rows // folds))
    return [
        replace(
            first,
            # One that ended early would be missing in what follows of the curve.
            steps=replace(steps, patience=None),
            rows=Selection(_ALL.splits, folds, fold),
            held_out=Selection(_ALL.splits, folds, fold, held_out=True),
            name=f"fold-{fold + 1}",
        )
        for fold in range(folds)
    ]


def first_jobs(first: TrainingJob) -> list[TrainingJob]:
    """The first fits of all networks of the ensemble: the same but for the seeds."""
    others = range(2, first.training.ensemble_size + 1)
    return [
        first,
        *(replace(first, seed=_seed(first.seed, one), name=f"network-{one}") for one in others),
    ]


def _seed(seed: int, network: int) -> int:
    """Of one network, so that those of neighbouring seeds have none in common."""
    return int(np.random.SeedSequence([seed, network]).generate_state(1)[0] >> 1)


def pooled(points: tuple[HistoryPoint, ...], jobs: Sequence[TrainingJob]) -> list[HistoryPoint]:
    """The curve of all folds: at each step the mean, each fold weighing as its held-out rows do.

    Of metrics that are means over the rows it is the metric of all rows together; macro-F1 is none,
    and of it this is the mean of the folds.
    """
    weights = [count(job.examples, job.held_out) for job in jobs if job.held_out is not None]
    total = sum(weights)
    result: list[HistoryPoint] = []
    names = {"/".join(name.split("/")[-2:]) for point in points for name in point.metrics}
    for name in sorted(names):
        curves = [
            dict(zip(*series(points, name_in_fit(job.name, name)), strict=True)) for job in jobs
        ]
        for step in sorted(set.intersection(*(set(curve) for curve in curves))):
            value = sum(w * curve[step] for w, curve in zip(weights, curves, strict=True)) / total
            now = max(point.timestamp_milliseconds for point in points if point.step == step)
            result.append(HistoryPoint(step, now, {name: value}))
    return sorted(result, key=lambda point: point.step)


def best_step(points: Sequence[HistoryPoint], training: TrainingConfig) -> int:
    """The step with the best evaluation, the earliest of equal ones."""
    steps, values = series(tuple(points), f"validation/{training.early_stopping_metric}")
    sign = EARLY_STOPPING_METRICS[training.early_stopping_metric]
    return max(zip(steps, values, strict=True), key=lambda item: (sign * item[1], -item[0]))[0]


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
        name=f"{first.name}-refit" if first.name else "refit",
    )
