"""Examples -> trained model: in this process, or by workers that share each batch."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf

from components.artifacts.history import (
    HISTORY,
    HistoryReader,
    add_points,
    read_history,
    series,
)
from components.artifacts.predictions import VALIDATION, write_predictions
from components.artifacts.schema import load_schema
from components.artifacts.storage import SUCCESS, building, is_complete, write_atomically
from components.artifacts.training_facts import TrainingFacts, save_training_facts
from components.artifacts.values import Examples, Model
from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.training.datasets import count
from components.training.estimator import CHECKPOINTS, save_settings
from components.training.fit import (
    BEST,
    fit,
    scaled,
    temperature_of,
    training_accuracy,
    validation_answers,
)
from components.training.fits import (
    best_step,
    first_job,
    first_jobs,
    fold_jobs,
    pooled,
    refit_job,
)
from components.training.history_hook import OnPoint
from components.training.job import FINAL_ERRORS, TrainingJob, logs_of, save_job, training_command
from components.workers.local_cluster import local_workers, own_worker
from components.workers.rendezvous import Chief
from components.workers.supervisor import supervise
from components.workers.worker_process import WorkerCommand
from rnn_core.storage.checkpoints import AVERAGE, step_from_name

OnProgress: TypeAlias = Callable[[Path, int, int, Mapping[str, float]], None]
"""Called with the history file, the step of a fit and its last one, and the newest metrics."""

_LAUNCH = LaunchConfig()


def train_model(
    examples: Examples,
    model: ModelConfig,
    training: TrainingConfig,
    seed: int,
    *,
    directory: Path,
    on_progress: OnProgress = lambda history, step, end, metrics: None,
    launch: LaunchConfig = _LAUNCH,
    chief: Chief | None = None,
) -> Model:
    """Trains as long as the config says, or until the validation metric stops improving.

    A call that was killed continues from its last checkpoint when it is made again with the same
    ``directory``, and ends with the same weights, bit for bit. With one worker it trains in this
    process, with more in processes that it starts, watches and ends.

    Args:
        examples: the training and the validation split.
        model: the network and its optimizer.
        training: length, batch size, when to log and evaluate, and how many workers.
        seed: decides initial weights and the order of the examples.
        directory: of the finished model.
        on_progress: called for every new line of the history.
        launch: how workers are started and ended.
        chief: dispatches the workers of a cluster; without it all are started on this machine.

    Raises:
        TrainingError: training cannot go on; the last good checkpoint is kept.
        DataError: a file of the examples was changed or cut off.
        StorageError: the disk is full or the directory cannot be written.
    """
    with building(directory, resume=True) as partial:
        schema = load_schema(Path(examples.path))
        save_settings(partial, schema, model)
        began = time.monotonic()
        # The workers of a cluster have a machine each.
        processes = training.workers if chief is None else 1
        first = first_job(examples, model, training, seed, launch, processes)
        networks = first_jobs(first)
        folds = fold_jobs(first) if training.folds else []
        for job in folds or networks:
            _run(job, partial, on_progress, chief)
        firsts: list[str] = []
        if folds:
            chosen_steps = [_choose_by_folds(folds, partial, on_progress)] * len(networks)
            # Of the rows of a fold, and its lengths.
            networks = [replace(folds[0], seed=job.seed, name=job.name) for job in networks]
        else:
            firsts = [_checkpoint(partial, job) for job in networks]
            chosen_steps = [step_from_name(checkpoint) for checkpoint in firsts]
        last = networks
        if training.is_refit:
            last = [refit_job(*each) for each in zip(networks, chosen_steps, strict=True)]
            for job in last:
                _run(job, partial, on_progress, chief)
        seconds = time.monotonic() - began
        # In the block: without a checkpoint it raises, and the directory is not complete.
        chosen = [_checkpoint(partial, job) for job in last]
        accuracy, temperature = None, 1.0
        if not folds:
            accuracy = training_accuracy(first, partial, firsts[0])
            # Of a refit, too: its own rows of validation would make it look too sure of itself.
            if training.temperature_scaling or len(schema.labels) == 2:
                answers = validation_answers(first, partial, firsts)
                if training.temperature_scaling:
                    temperature = temperature_of(answers)
                # A threshold is of two labels; it is chosen by these, and nothing is trained again.
                if len(schema.labels) == 2:
                    write_predictions(scaled(answers, temperature), partial / VALIDATION)
        held_out = sum(count(examples, job.held_out) for job in folds or [first] if job.held_out)
        parameters = sum(map(_parameters, chosen))
        facts = TrainingFacts(seconds, parameters, chosen_steps[0], accuracy, held_out)
        save_training_facts(partial, facts)
    checkpoint, *others = (_checkpoint(directory, job) for job in last)
    return Model(
        path=str(directory),
        checkpoint=checkpoint,
        step=step_from_name(chosen[0]),
        # The name is the fingerprint of all that decides the weights.
        digest=directory.name,
        temperature=temperature,
        other_checkpoints=tuple(others),
    )


def _run(job: TrainingJob, directory: Path, on_progress: OnProgress, chief: Chief | None) -> None:
    """Runs one fit, unless an earlier call has run it to its end."""
    checkpoints = directory / job.name / CHECKPOINTS
    if is_complete(checkpoints):
        return

    def on_point(step: int, metrics: Mapping[str, float]) -> None:
        on_progress(directory / HISTORY, step, job.steps.end, metrics)

    if job.training.workers == 1:
        fit(job, directory, on_point)
    else:
        _fit_with_workers(job, directory, on_point, chief)
    write_atomically(checkpoints / SUCCESS, b"")


def _choose_by_folds(jobs: Sequence[TrainingJob], directory: Path, on_progress: OnProgress) -> int:
    """Adds the curve of all folds to the history, as that of a first fit; gives the step chosen."""
    history = directory / HISTORY
    points = read_history(history)
    curve = pooled(points, jobs)
    if not series(points, "validation/accuracy")[0]:
        add_points(history, curve)
        for point in curve:
            on_progress(history, point.step, jobs[0].steps.end, point.metrics)
    training = jobs[0].training
    return jobs[0].steps.end if training.checkpoint == "last" else best_step(curve, training)


def _checkpoint(directory: Path, job: TrainingJob) -> str:
    """The path of what a fit chose, which is another one once the directory has its final name."""
    checkpoints = directory / job.name / CHECKPOINTS
    where = checkpoints if job.training.checkpoint == "last" else checkpoints / "export" / BEST
    return str(tf.train.latest_checkpoint(str(where)))


def _parameters(checkpoint: str) -> int:
    """How many numbers the model of a checkpoint has learned, without the optimizer's own."""
    return sum(
        math.prod(shape)
        for name, shape in tf.train.list_variables(checkpoint)
        if name != "global_step" and not name.startswith("training/") and not name.endswith(AVERAGE)
    )


def _fit_with_workers(
    job: TrainingJob, directory: Path, on_point: OnPoint, chief: Chief | None
) -> None:
    file = save_job(job, directory)
    command, logs = training_command(file), logs_of(file)
    history = HistoryReader(directory / HISTORY)

    def commands() -> Sequence[WorkerCommand]:
        # At each start: local ports may be taken by now, and the others wait for a new order.
        if chief is None:
            return local_workers(command, job.training.workers, logs)
        chief.dispatch(file, job.launch.worker_wait_seconds)
        return [own_worker(command, chief.cluster, logs)]

    def report_progress() -> str | None:
        """Reports new lines of the history; returns why to stop, if a worker was lost."""
        for point in history.new_points():
            on_point(point.step, point.metrics)
        return chief.find_lost_worker() if chief else None

    supervise(commands, job.launch, report_progress, FINAL_ERRORS)
    # The last lines may have come after the last poll.
    report_progress()
