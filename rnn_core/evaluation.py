"""Evaluation: one pass over the input, summed, and written where TensorBoard finds it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.checks import named_errors
from rnn_core.distribution.replicas import Replicas
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
    directory: str | None,
    onlookers: Onlookers,
    replicas: Replicas,
) -> dict[str, float]:
    """Metrics over ``steps`` batches (None: all) by name, ``loss`` and ``global_step`` included.

    Many workers evaluate a share each, of ``steps`` batches, and all get the metrics of the whole.
    An event file in ``directory``, if there is one, gets them, and the path of the checkpoint.

    Raises:
        EmptyInputError: there is no batch, for no worker.
        LabelError: a label cannot be used.
        StorageError: ``directory`` cannot be written.
        WorkerLostError: another worker is gone, or does not answer in time.
    """
    total = _total(model, dataset, steps, onlookers, replicas)
    metrics = dict(sorted(model.metrics(total).items()))
    _write(metrics, model, directory)
    text = ", ".join(f"{name} {value:.6g}" for name, value in _numbers(metrics).items())
    logger.info("step %d: %s", model.global_step, text)
    return {**metrics, "global_step": model.global_step}


def _write(metrics: Mapping[str, Any], model: InferenceModel, directory: str | None) -> None:
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
    model: InferenceModel,
    dataset: tf.data.Dataset,
    steps: int | None,
    onlookers: Onlookers,
    replicas: Replicas,
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
    if replicas.worker_count > 1:
        total = _over_workers(model, iterator, total, replicas)
    if not total:
        raise EmptyInputError(
            "input_fn: expected at least one batch to evaluate, got none. Check the file names and "
            "filters of the dataset."
        )
    onlookers.end()
    return total


def _over_workers(
    model: InferenceModel, iterator: Any, own: Mapping[str, Array], replicas: Replicas
) -> dict[str, Array]:
    """The sums of all workers; a worker without a batch knows their shapes from a trace."""
    with named_errors():
        specs = model.evaluate.get_concrete_function(iterator).structured_outputs
    shapes = {name: tuple(specs[name].shape) for name in sorted(specs)}
    parts = [np.ravel(own.get(name, np.zeros(shape))) for name, shape in shapes.items()]
    table = replicas.table(np.concatenate([[float(bool(own))], *parts]).tolist())
    if not table[:, 0].any():
        return {}
    # Added in the order of the workers, so that all of them get the same.
    numbers = np.split(table[:, 1:].sum(0), np.cumsum([part.size for part in parts])[:-1])
    return {
        name: np.reshape(values, shape)
        for (name, shape), values in zip(shapes.items(), numbers, strict=True)
    }


def _begin(model: InferenceModel, iterator: Any, onlookers: Onlookers) -> None:
    model.reset_metrics()
    model.show(onlookers, model.evaluate, iterator)
