"""Prediction: batch after batch, only as far as the caller reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import tensorflow as tf

from rnn_core.checks import named_errors
from rnn_core.errors import ArgumentError
from rnn_core.inference import InferenceModel
from rnn_core.types import Array


def predict(
    model: InferenceModel,
    dataset: tf.data.Dataset,
    keys: Sequence[str] | None,
    single_examples: bool,
) -> Iterator[dict[str, Any]]:
    """Predictions by name: of one example at a time, or of a batch.

    Raises:
        ArgumentError: ``keys`` names no prediction.
        FeatureError: a feature cannot be used.
    """
    iterator = iter(dataset)
    while True:
        try:
            with named_errors():
                predicted = model.predict(iterator)
        except tf.errors.OutOfRangeError:
            return
        batch = _chosen({name: value.numpy() for name, value in predicted.items()}, keys)
        if single_examples:
            yield from _examples(batch)
        else:
            yield batch


def _chosen(batch: dict[str, Array], keys: Sequence[str] | None) -> dict[str, Array]:
    if keys is None:
        return batch
    chosen = {name: value for name, value in batch.items() if name in set(keys)}
    if not chosen:
        raise ArgumentError(
            f"predict_keys: expected some of {', '.join(sorted(batch))}, got {list(keys)}."
        )
    return chosen


def _examples(batch: dict[str, Array]) -> Iterator[dict[str, Any]]:
    size = len(next(iter(batch.values())))
    for index in range(size):
        yield {name: value[index] for name, value in batch.items()}
