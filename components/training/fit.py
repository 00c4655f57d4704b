"""Fits an estimator to examples: evaluations, best checkpoint, early stopping, resumption.

Everything here sees the rows of its job only.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

import rnn_core
from components.artifacts.history import HISTORY
from components.artifacts.predictions import TABLES, PredictionTable
from components.artifacts.schema import load_schema
from components.config import EARLY_STOPPING_METRICS
from components.errors import StorageError, TrainingError
from components.training.datasets import (
    label_counts,
    read_batches,
    read_ids,
    read_labels,
    reading_errors,
)
from components.training.estimator import Training, build_estimator, predict_probabilities
from components.training.history_hook import OnPoint, Recorder, ValidationRecorder
from components.training.job import TrainingJob
from components.training.temperature import at_temperature, best_temperature, log_of

_TRAINING_ROWS = 4096
"""Rows on which the accuracy in training is measured: its error is less than 1 %."""
_VALIDATION_ROWS = 10_000
"""Rows by which the temperature and the threshold are chosen, which are one number each."""
BEST = "best"
"""Folder of the exporter that keeps the best checkpoint, below the checkpoints."""


def fit(job: TrainingJob, directory: Path, on_point: OnPoint) -> None:
    """Trains in this process, alone.

    Args:
        job: what to train on what.
        directory: of the model: of the history, and of the folder of the job's checkpoints.
        on_point: called for every new line of the history.

    Raises:
        TrainingError: training cannot go on; the last good checkpoint is kept.
        DataError: a file of the examples was changed or cut off.
        StorageError: the disk is full or the directory cannot be written.
    """
    recorder = Recorder(directory / HISTORY, job.training.log_every_steps, on_point, job.name)
    with _training_errors(job):
        _fit(job, directory, recorder, _run_config(job))


def fit_as_worker(job: TrainingJob, directory: Path) -> None:
    """Trains in this process, as one of the workers that ``TF_CONFIG`` names; the chief writes.

    Args:
        job: what to train on what; the same for all workers.
        directory: of the model, as for ``fit``; all workers see it.

    Raises:
        RnnCoreError: the workers could not begin together, or one was lost (``WorkerLostError``).
        TrainingError: training cannot go on; the last good checkpoint is kept.
        DataError: a file of the examples was changed or cut off.
        StorageError: the disk is full or the directory cannot be written.
    """
    # First of all: TensorFlow refuses to make such a strategy after its first operation.
    strategy = rnn_core.multi_worker_strategy(job.launch.worker_wait_seconds)
    with _training_errors(job):
        config = _run_config(job, strategy)
        history = directory / HISTORY if config.is_chief else None
        recorder = Recorder(history, job.training.log_every_steps, fit=job.name)
        _fit(job, directory, recorder, config)


@contextlib.contextmanager
def _training_errors(job: TrainingJob) -> Iterator[None]:
    try:
        with reading_errors(job.examples):
            yield
    except rnn_core.WorkerLostError:
        # As it is: its exit status differs, and the supervisor looks for the cause elsewhere.
        raise
    except rnn_core.StorageError as error:
        raise StorageError(str(error)) from error
    except rnn_core.RnnCoreError as error:
        raise TrainingError(str(error)) from error


def _fit(job: TrainingJob, directory: Path, recorder: Recorder, config: rnn_core.RunConfig) -> None:
    training, steps = job.training, job.steps
    estimator = build_estimator(
        load_schema(job.examples.path),
        job.model,
        directory / job.name,
        config,
        Training(steps.schedule_end, label_counts(job.examples, job.rows)),
    )

    def train_batches(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
        return read_batches(
            job.examples, job.rows, training.batch_size, shuffle_seed=job.seed, repeat=True,
            worker=input_context.input_pipeline_id, workers=input_context.num_input_pipelines,
            on_disk=job.on_disk,
        )  # fmt: skip

    held_out = job.held_out
    if held_out is None:
        estimator.train(train_batches, hooks=[recorder], max_steps=steps.end)
        return

    def held_out_batches(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
        return read_batches(
            job.examples, held_out, training.batch_size,
            worker=input_context.input_pipeline_id, workers=input_context.num_input_pipelines,
            on_disk=job.on_disk,
        )  # fmt: skip

    higher_is_better = EARLY_STOPPING_METRICS[training.early_stopping_metric] > 0
    hooks: list[rnn_core.Hook] = [recorder]
    if steps.patience is not None:
        stop = (
            rnn_core.stop_if_no_increase_hook
            if higher_is_better
            else rnn_core.stop_if_no_decrease_hook
        )
        hooks.append(
            stop(
                estimator,
                training.early_stopping_metric,
                steps.patience,
                # By steps: a clock would end the same training at another step on a faster machine.
                run_every_secs=None,
                run_every_steps=steps.evaluate_every,
            )
        )
    best = rnn_core.BestCheckpointExporter(
        name=BEST, metric=training.early_stopping_metric, higher_is_better=higher_is_better
    )
    rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(train_batches, max_steps=steps.end, hooks=hooks),
        # All of the held-out rows at every checkpoint: the defaults are 100 batches, and waits of
        # minutes, which would make the choice of the best checkpoint a matter of time.
        rnn_core.EvalSpec(
            held_out_batches,
            steps=None,
            start_delay_secs=0,
            throttle_secs=0,
            exporters=[best, ValidationRecorder(recorder)],
        ),
    )


def training_accuracy(job: TrainingJob, directory: Path, checkpoint: str) -> float:
    """The accuracy of a checkpoint on rows that it was trained on, some thousand at most.

    Args:
        job: of the fit, whose rows are of one split.
        directory: as for ``fit``.
        checkpoint: of that fit.
    """
    estimator = build_estimator(
        load_schema(job.examples.path), job.model, directory / job.name, rnn_core.RunConfig()
    )
    with reading_errors(job.examples):
        metrics = estimator.evaluate(
            lambda: read_batches(job.examples, job.rows, 256, at_most=_TRAINING_ROWS),
            checkpoint_path=checkpoint,
            name="training",
        )
    return float(metrics["accuracy"])


def validation_answers(
    job: TrainingJob, directory: Path, checkpoints: Sequence[str]
) -> PredictionTable:
    """What checkpoints answer together to the validation rows, some thousand at most.

    Args:
        job: of the fit, which was not trained on them.
        directory: as for ``fit``.
        checkpoints: of that fit, and of those of the other networks of an ensemble.
    """
    schema = load_schema(job.examples.path)
    estimator = build_estimator(schema, job.model, directory / job.name, rnn_core.RunConfig())
    probabilities = predict_probabilities(
        estimator, job.examples, "validation", checkpoints, _VALIDATION_ROWS
    )
    return TABLES[schema.label].of(
        ids=read_ids(job.examples, "validation")[:_VALIDATION_ROWS],
        labels=read_labels(job.examples, "validation")[:_VALIDATION_ROWS],
        classes=schema.labels,
        probabilities=probabilities.astype(np.float64),
    )


def temperature_of(answers: PredictionTable) -> float:
    """The temperature that makes these answers best."""
    probabilities = answers.probabilities.astype(np.float32)
    logarithms = log_of(probabilities).numpy().astype(np.float64)
    return best_temperature(logarithms, answers.label_index)


def scaled(answers: PredictionTable, temperature: float) -> PredictionTable:
    """The answers at a temperature, as the exported model gives them."""
    probabilities = at_temperature(answers.probabilities.astype(np.float32), temperature)
    return dataclasses.replace(answers, probabilities=np.asarray(probabilities).astype(np.float64))


def _run_config(job: TrainingJob, strategy: Any = None) -> rnn_core.RunConfig:
    return rnn_core.RunConfig(
        tf_random_seed=job.seed,
        save_checkpoints_steps=job.steps.evaluate_every,
        save_summary_steps=job.training.log_every_steps,
        log_step_count_steps=job.training.log_every_steps,
        keep_checkpoint_max=job.training.keep_checkpoint_max,
        train_distribute=strategy,
        worker_timeout_secs=job.launch.step_timeout_seconds,
        # An index and the two batches that are prefetched, however many rows there are.
        input_checkpoint="iterator",
    )
