"""Evaluation: one pass over the input, with summed metrics, written for TensorBoard."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf

from rnn_core.distribution.replicas import Replicas
from rnn_core.errors import ArgumentError, EmptyInputError
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.hooks.batch_hooks import BatchHooks
from rnn_core.loops.inference_model import InferenceModel
from rnn_core.storage.summaries import EventWriter
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")

# A limit because Python handles signals between two calls only.
_BATCHES_PER_CALL: Final = 100
"""Batches in one graph call if there are no hooks, which may act after each batch."""


def evaluate(
    model: InferenceModel,
    dataset: tf.data.Dataset,
    steps: int | None,
    directory: str | None,
    batch_hooks: BatchHooks,
    replicas: Replicas,
) -> dict[str, float]:
    """Metrics over ``steps`` batches (None: all) by name, ``loss`` and ``global_step`` included.

    Each of many workers evaluates its shard, ``steps`` batches of it; all get the total metrics.
    An event file in ``directory``, if there is one, gets them, and the path of the checkpoint.

    Raises:
        ArgumentError: the input has no end, and neither ``steps`` nor a hook gives it one.
        EmptyInputError: no worker has a batch.
        LabelError: a label cannot be used.
        StorageError: ``directory`` cannot be written.
        WorkerLostError: another worker is gone, or did not answer in time.
    """
    is_endless = dataset.cardinality() == tf.data.INFINITE_CARDINALITY
    if steps is None and is_endless and not batch_hooks:
        raise ArgumentError(
            "evaluate: expected an input that ends, got one that repeats without end. Give steps, "
            "drop repeat(), or return tf.data.Dataset.from_tensors(batch) in place of a batch."
        )
    total = _total(model, dataset, steps, batch_hooks, replicas)
    metrics = dict(sorted(model.metrics(total).items()))
    # TensorBoard draws scalars only; arrays are kept as tensors.
    numbers = {name: value for name, value in metrics.items() if np.ndim(value) == 0}
    events = EventWriter(directory)
    events.write(numbers, model.global_step)
    for name in metrics.keys() - numbers.keys():
        events.write_tensor(name, metrics[name], model.global_step)
    if model.checkpoint is not None:
        events.write_tensor("checkpoint_path", model.checkpoint, model.global_step)
    events.close()
    text = ", ".join(f"{name} {value:.6g}" for name, value in numbers.items())
    logger.info("step %d: %s", model.global_step, text)
    return {**metrics, "global_step": model.global_step}


def _total(
    model: InferenceModel,
    dataset: tf.data.Dataset,
    steps: int | None,
    batch_hooks: BatchHooks,
    replicas: Replicas,
) -> dict[str, Array]:
    model.reset_metrics()
    evaluate: Any = model.prepare(batch_hooks, model.evaluate, dataset.element_spec)
    iterator = iter(dataset)
    specs = evaluate.structured_outputs.values()
    # A loop inside a graph can add up sums of known shapes only.
    if batch_hooks or not all(spec.shape.is_fully_defined() for spec in specs):
        total = _batch_by_batch(model, evaluate, iterator, steps, batch_hooks)
    else:
        total = _many_per_call(model, evaluate, iterator, steps)
    if replicas.worker_count > 1:
        total = _over_workers(evaluate, total, replicas)
    if not total:
        raise EmptyInputError(
            "input_fn: expected at least one batch to evaluate, got none. Check the file names and "
            "filters of the dataset."
        )
    batch_hooks.end()
    return total


def _batch_by_batch(
    model: InferenceModel, evaluate: Any, iterator: Any, steps: int | None, batch_hooks: BatchHooks
) -> dict[str, Array]:
    """The sums of all batches, with the hooks called around each."""
    total: dict[str, Array] = {}
    done = 0
    while (steps is None or done < steps) and not batch_hooks.stopped:
        batch_hooks.before_batch()
        with named_errors():
            batch = next(iterator, None)
            if batch is None:
                break
            sums = {name: value.numpy() for name, value in evaluate(batch).items()}
        for name, value in sums.items():
            total[name] = np.asarray(total.get(name, 0.0) + value)
        done += 1
        batch_hooks.after_batch(float(model.metrics(sums)["loss"]))
    return total


def _many_per_call(
    model: InferenceModel, evaluate: Any, iterator: Any, steps: int | None
) -> dict[str, Array]:
    """The sums of all batches, many of them in each graph call."""
    specs = evaluate.structured_outputs
    total = {name: tf.zeros(sums.shape, sums.dtype) for name, sums in specs.items()}
    done = 0
    while True:
        count = _BATCHES_PER_CALL if steps is None else min(_BATCHES_PER_CALL, steps - done)
        with named_errors():
            new, total = model.evaluate_many(iterator, tf.constant(count), total)
        done += int(new)
        # The input has ended, or `steps` are done: where they are a multiple of 100, a last call
        # does no batch.
        if int(new) < _BATCHES_PER_CALL:
            return {name: sums.numpy() for name, sums in total.items()} if done else {}


def _over_workers(evaluate: Any, own: Mapping[str, Array], replicas: Replicas) -> dict[str, Array]:
    """The sums over all workers; a worker without a batch knows the shapes from the trace."""
    specs = evaluate.structured_outputs
    shapes = {name: tuple(specs[name].shape) for name in sorted(specs)}
    parts = [np.ravel(own.get(name, np.zeros(shape))) for name, shape in shapes.items()]
    table = replicas.all_gather(np.concatenate([[float(bool(own))], *parts]).tolist())
    if not table[:, 0].any():
        return {}
    # Added in the order of the workers, so that all of them get the same bits.
    numbers = np.split(table[:, 1:].sum(0), np.cumsum([part.size for part in parts])[:-1])
    return {
        name: np.reshape(values, shape)
        for (name, shape), values in zip(shapes.items(), numbers, strict=True)
    }
