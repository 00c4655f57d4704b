"""Prediction: a generator that computes one batch at a time, when the caller asks for it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.graph.runtime_checks import named_errors
from rnn_core.hooks.batch_hooks import BatchHooks
from rnn_core.loops.inference_model import InferenceModel
from rnn_core.types import Predictions


def predict(
    model: InferenceModel,
    dataset: tf.data.Dataset,
    keys: Collection[str] | None,
    single_examples: bool,
    batch_hooks: BatchHooks,
) -> Iterator[Any]:
    """Predictions by name, or one array without a name: of one example at a time, or of a batch.

    Raises:
        ArgumentError: ``keys`` names no prediction, or examples cannot be told apart.
        FeatureError: a feature cannot be used.
    """
    for predicted in _batches(model, dataset, batch_hooks):
        batch = _chosen(tf.nest.map_structure(lambda value: value.numpy(), predicted), keys)
        if single_examples:
            yield from _examples(batch)
        else:
            yield batch


def _batches(
    model: InferenceModel, dataset: tf.data.Dataset, batch_hooks: BatchHooks
) -> Iterator[Predictions]:
    # A dataset of a single batch is read without an iterator, which would start threads.
    is_single = int(dataset.cardinality()) == 1
    compiled, like = (
        (model.predict_single, dataset) if is_single else (model.predict, dataset.element_spec)
    )
    predict = model.prepare(batch_hooks, compiled, like)
    with named_errors():
        iterator = iter([dataset] if is_single else dataset)
    while not batch_hooks.stopped:
        batch_hooks.before_batch()
        with named_errors():
            batch = next(iterator, None)
            if batch is None:
                break
            predicted = predict(batch)
        batch_hooks.after_batch()
        yield predicted
    batch_hooks.end()


def _chosen(batch: Any, keys: Collection[str] | None) -> Any:
    if keys is None:
        return batch
    named = batch if isinstance(batch, dict) else {}
    chosen = {name: value for name, value in named.items() if name in set(keys)}
    if not chosen:
        # The names of a MultiHead are pairs.
        names = ", ".join(sorted(map(str, named)))
        have = names or "none: model_fn predicts one tensor without a name"
        raise ArgumentError(f"predict_keys: expected some of the names ({have}), got {list(keys)}.")
    return chosen


def _examples(batch: Any) -> Iterator[Any]:
    if not isinstance(batch, dict):
        yield from batch
        return
    sizes = {name: len(value) for name, value in batch.items()}
    if len(set(sizes.values())) > 1:
        raise ArgumentError(
            f"predict: expected the same number of rows in all predictions, got {sizes}. Choose "
            "some with predict_keys, or take whole batches: yield_single_examples=False."
        )
    for index in range(next(iter(sizes.values()))):
        yield {name: value[index] for name, value in batch.items()}
