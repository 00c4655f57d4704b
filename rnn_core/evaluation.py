"""Evaluation: one pass over the input, summed, and written where TensorBoard finds it."""

from __future__ import annotations

import logging

import numpy as np
import tensorflow as tf

from rnn_core.checks import named_errors
from rnn_core.errors import EmptyInputError
from rnn_core.inference import InferenceModel
from rnn_core.summaries import EventWriter
from rnn_core.types import Array

logger = logging.getLogger("rnn_core")


def evaluate(
    model: InferenceModel, dataset: tf.data.Dataset, steps: int | None, directory: str
) -> dict[str, float]:
    """Metrics over ``steps`` batches (None: all) by name, ``loss`` and ``global_step`` included.

    Raises:
        EmptyInputError: there is no batch.
        LabelError: a label cannot be used.
        StorageError: ``directory`` cannot be written.
    """
    metrics = dict(sorted(model.metrics(_total(model, dataset, steps)).items()))
    events = EventWriter(directory)
    events.write(metrics, model.global_step)
    events.close()
    text = ", ".join(f"{name} {value:.6g}" for name, value in metrics.items())
    logger.info("step %d: %s", model.global_step, text)
    return {**metrics, "global_step": model.global_step}


def _total(model: InferenceModel, dataset: tf.data.Dataset, steps: int | None) -> dict[str, Array]:
    iterator = iter(dataset)
    model.reset_metrics()
    total: dict[str, Array] = {}
    done = 0
    while steps is None or done < steps:
        try:
            with named_errors():
                sums = model.evaluate(iterator)
        except tf.errors.OutOfRangeError:
            break
        for name, value in sums.items():
            total[name] = np.asarray(total.get(name, 0.0) + value.numpy())
        done += 1
    if not total:
        raise EmptyInputError(
            "input_fn: expected at least one batch to evaluate, got none. Check the file names and "
            "filters of the dataset."
        )
    return total
