"""Examples -> trained model: periodic evaluation, best checkpoint, early stopping, resumption.

Everything here sees the training and validation splits only.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

import rnn_core
from components.artifacts import Examples, Model, building
from components.batches import read_batches
from components.config import ModelConfig, TrainingConfig
from components.errors import StorageError, TrainingError
from components.estimator import CHECKPOINTS, build_estimator, save_settings
from components.history import append_point, read_history, truncate_after
from components.schema import load_schema

HISTORY = "history.jsonl"
BEST = "best"

_VALIDATION = ("accuracy", "average_loss")

OnProgress = Callable[[Path, int, Mapping[str, float]], None]
"""Called with the history file, the global step and the newest metrics."""


def train_model(
    examples: Examples,
    model: ModelConfig,
    training: TrainingConfig,
    seed: int,
    *,
    directory: Path,
    on_progress: OnProgress = lambda history, step, metrics: None,
) -> Model:
    """Trains until ``max_steps`` or until the validation metric stops improving.

    A call that was killed continues from its last checkpoint when it is made again with the same
    ``directory``, and ends with the same weights, bit for bit.

    Args:
      examples: the training and the validation split.
      model: the network and its optimizer.
      training: how long, and how often somebody looks.
      seed: decides initial weights and the order of the examples.
      directory: where the model shall be.
      on_progress: told of every new line of the history.

    Raises:
      TrainingError: training cannot go on; the last good checkpoint is kept.
      StorageError: the disk is full or the directory cannot be written.
    """
    with building(directory, resume=True) as partial:
        schema = load_schema(Path(examples.path))
        save_settings(partial, schema, model)
        estimator = build_estimator(schema, model, partial, _run_config(training, seed))
        recorder = _Recorder(partial / HISTORY, training.log_every_steps, on_progress)
        with _training_errors():
            _train(estimator, examples, training, seed, recorder)
        step = _step_of(_best_checkpoint(partial))
    return Model(
        path=str(directory),
        checkpoint=_best_checkpoint(directory),
        step=step,
        digest=directory.name,
    )


@contextlib.contextmanager
def _training_errors() -> Iterator[None]:
    try:
        yield
    except rnn_core.StorageError as error:
        raise StorageError(str(error)) from error
    except rnn_core.RnnCoreError as error:
        raise TrainingError(str(error)) from error


def _run_config(training: TrainingConfig, seed: int) -> rnn_core.RunConfig:
    return rnn_core.RunConfig(
        tf_random_seed=seed,
        save_checkpoints_steps=training.evaluate_every_steps,
        save_summary_steps=training.log_every_steps,
        log_step_count_steps=training.log_every_steps,
        keep_checkpoint_max=training.keep_checkpoint_max,
    )


def _train(
    estimator: rnn_core.RNNClassifier,
    examples: Examples,
    training: TrainingConfig,
    seed: int,
    recorder: _Recorder,
) -> None:
    def train_batches() -> tf.data.Dataset:
        return read_batches(examples, "train", training.batch_size, shuffle_seed=seed, repeat=True)

    def validation_batches() -> tf.data.Dataset:
        return read_batches(
            examples, "validation", training.batch_size, shuffle_seed=None, repeat=False
        )

    higher_is_better = training.early_stopping_metric == "accuracy"
    best = rnn_core.BestCheckpointExporter(
        name=BEST, metric=training.early_stopping_metric, higher_is_better=higher_is_better
    )
    hooks = [recorder, *_early_stopping(estimator, training, higher_is_better)]
    rnn_core.train_and_evaluate(
        estimator,
        rnn_core.TrainSpec(train_batches, max_steps=training.max_steps, hooks=hooks),
        rnn_core.EvalSpec(
            validation_batches,
            steps=None,
            start_delay_secs=0,
            throttle_secs=0,
            exporters=[best, _ValidationRecorder(recorder)],
        ),
    )


def _early_stopping(
    estimator: rnn_core.RNNClassifier, training: TrainingConfig, higher_is_better: bool
) -> list[rnn_core.Hook]:
    patience = training.early_stopping_patience_steps
    if patience is None:
        return []
    stop = (
        rnn_core.stop_if_no_increase_hook if higher_is_better else rnn_core.stop_if_no_decrease_hook
    )
    every = training.evaluate_every_steps
    metric = training.early_stopping_metric
    return [stop(estimator, metric, patience, run_every_secs=None, run_every_steps=every)]


def _best_checkpoint(directory: Path) -> str:
    found = tf.train.latest_checkpoint(str(directory / CHECKPOINTS / "export" / BEST))
    return str(found)


def _step_of(checkpoint: str) -> int:
    return int(checkpoint.rpartition("-")[2])


class _Recorder(rnn_core.Hook):
    """Writes the training loss to the history and tells ``on_progress``."""

    def __init__(self, history: Path, every_steps: int, on_progress: OnProgress) -> None:
        self.every_steps = every_steps
        self._history = history
        self._on_progress = on_progress

    def begin(self, context: Any) -> None:
        truncate_after(self._history, context.global_step)

    def after_steps(self, context: Any) -> None:
        self.record(context.global_step, {"train/loss": context.loss})

    def record_once(self, step: int, metrics: Mapping[str, float]) -> None:
        """Leaves out what is there: the last evaluation is exported a second time at the end."""
        known = read_history(self._history)
        if not any(
            point.step == step and metrics.keys() <= point.metrics.keys() for point in known
        ):
            self.record(step, metrics)

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        append_point(self._history, step, metrics)
        self._on_progress(self._history, step, metrics)


class _ValidationRecorder(rnn_core.Exporter):
    """Writes each evaluation on the validation split to the history."""

    def __init__(self, recorder: _Recorder) -> None:
        self._recorder = recorder

    @property
    def name(self) -> str:
        return "history"

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Mapping[str, float],
        is_the_final_export: bool,
    ) -> None:
        metrics = {f"validation/{name}": float(eval_result[name]) for name in _VALIDATION}
        self._recorder.record_once(int(eval_result["global_step"]), metrics)
