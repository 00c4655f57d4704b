"""Evaluation: one pass over the input, summed, and written where TensorBoard finds it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.checks import named_errors
from rnn_core.errors import EmptyInputError
from rnn_core.hooks.looking import Onlookers
from rnn_core.inference import InferenceModel
from rnn_core.summaries import EventWriter
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")


def evaluate(
    model: InferenceModel,
    dataset: tf.data.Dataset,
    steps: int | None,
    directory: str,
    onlookers: Onlookers,
) -> dict[str, float]:
    """Metrics over ``steps`` batches (None: all) by name, ``loss`` and ``global_step`` included.

    An event file in ``directory`` gets them, and the path of the checkpoint they are of.

    Raises:
        EmptyInputError: there is no batch.
        LabelError: a label cannot be used.
        StorageError: ``directory`` cannot be written.
    """
    metrics = dict(sorted(model.metrics(_total(model, dataset, steps, onlookers)).items()))
    _write(metrics, model, directory)
    text = ", ".join(f"{name} {value:.6g}" for name, value in _numbers(metrics).items())
    logger.info("step %d: %s", model.global_step, text)
    return {**metrics, "global_step": model.global_step}


def _write(metrics: Mapping[str, Any], model: InferenceModel, directory: str) -> None:
    events = EventWriter(directory)
    numbers = _numbers(metrics)
    events.write(numbers, model.global_step)
    for name in metrics.keys() - numbers.keys():
        events.write_tensor(name, metrics[name], model.global_step)
    if model.checkpoint is not None:
        events.write_tensor("checkpoint_path", model.checkpoint, model.global_step)
    events.close()


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if np.ndim(value) == 0}


def _total(
    model: InferenceModel, dataset: tf.data.Dataset, steps: int | None, onlookers: Onlookers
) -> dict[str, Array]:
    iterator = iter(dataset)
    _begin(model, iterator, onlookers)
    total: dict[str, Array] = {}
    done = 0
    while (steps is None or done < steps) and not onlookers.stopped:
        onlookers.before_batch()
        try:
            with named_errors():
                sums = {name: value.numpy() for name, value in model.evaluate(iterator).items()}
        except tf.errors.OutOfRangeError:
            break
        for name, value in sums.items():
            total[name] = np.asarray(total.get(name, 0.0) + value)
        done += 1
        if onlookers:
            onlookers.after_batch(float(model.metrics(sums)["loss"]))
    if not total:
        raise EmptyInputError(
            "input_fn: expected at least one batch to evaluate, got none. Check the file names and "
            "filters of the dataset."
        )
    onlookers.end()
    return total


def _begin(model: InferenceModel, iterator: Any, onlookers: Onlookers) -> None:
    model.reset_metrics()
    model.show(onlookers, model.evaluate, iterator)
