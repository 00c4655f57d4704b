"""The estimator: its feature columns, built from the config or from a trained model's directory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

import rnn_core
from components.artifacts.schema import Schema, load_schema, save_schema
from components.artifacts.storage import write_atomically
from components.artifacts.values import Examples, Model, Split
from components.config import ConvolutionConfig, ModelConfig, OptimizerConfig
from components.errors import NotFoundError
from components.labels.table import KINDS
from components.runtime.libraries import quiet_libraries
from components.training.datasets import read_batches, reading_errors
from rnn_core.optimizers.optimizers import KINDS as OPTIMIZERS

CHECKPOINTS = "checkpoints"
"""Folder of a model directory that is the estimator's ``model_dir``."""

_SETTINGS = "model.json"
_BATCH_SIZE = 256
"""Rows that are answered at once: it bounds the memory."""


class Training(NamedTuple):
    """What training has to know besides the network."""

    schedule_end: int
    """The step where a schedule of the learning rate ends."""
    label_counts: Mapping[str, int]
    """How many rows, or steps, of each label it is trained on."""


def build_estimator(
    schema: Schema,
    model: ModelConfig,
    directory: Path,
    run_config: rnn_core.RunConfig,
    training: Training | None = None,
) -> rnn_core.RNNEstimator:
    """A model whose checkpoints are below ``directory``; only with ``training`` it trains."""
    sequence, context = feature_columns(schema)
    training = training or Training(1, {})
    balanced = model.loss.class_weights == "balanced"
    network = {
        "sequence_feature_columns": sequence,
        "context_feature_columns": context or None,
        "units": list(model.units),
        "cell_type": model.cell_type,
        "model_dir": str(directory / CHECKPOINTS),
        # A function: an optimizer holds variables, and each model needs one of its own.
        "optimizer": lambda: _optimizer(model.optimizer, training.schedule_end),
        "config": run_config,
        "network": rnn_core.NetworkConfig(
            context=model.context,
            pooling=model.pooling,
            bidirectional=model.bidirectional,
            layer_normalization=model.layer_normalization,
            front_end=_convolutions(model.front_end),
            convolution_branch=_convolutions(model.convolution_branch),
            hidden_units=model.hidden_units,
            input_dropout=model.dropout.input,
            layer_dropout=model.dropout.between_layers,
            output_dropout=model.dropout.representation,
            context_dropout=model.dropout.context,
            recurrent_dropout=model.dropout.recurrent,
        ),
    }
    loss = {
        "label_smoothing": model.loss.label_smoothing,
        "class_weights": balanced_weights(training.label_counts) if balanced else None,
        "focal_gamma": model.loss.focal_gamma,
    }
    made: rnn_core.RNNEstimator = KINDS[schema.label].estimator(schema.labels, loss, network)
    return made


def _convolutions(
    layers: tuple[ConvolutionConfig, ...],
) -> tuple[rnn_core.ConvolutionLayer, ...]:
    return tuple(
        rnn_core.ConvolutionLayer(one.filters, one.kernel_steps, one.stride) for one in layers
    )


def balanced_weights(label_counts: Mapping[str, int]) -> dict[str, float] | None:
    """answers / (classes * answers of the class), by label: each class weighs as much as any other.

    None if there are none. An answer is a row or a step, whatever has a label.
    """
    total = sum(label_counts.values())
    return {label: total / (len(label_counts) * n) for label, n in label_counts.items()} or None


def _optimizer(config: OptimizerConfig, schedule_end: int) -> keras.optimizers.Optimizer:
    rate: Any = config.learning_rate
    if config.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(rate, schedule_end)
    return OPTIMIZERS[config.name].keras_class(
        learning_rate=rate,
        clipnorm=config.clip_norm,
        weight_decay=config.weight_decay or None,
        use_ema=config.average_momentum is not None,
        # What Keras has as its default, where there are no averages.
        ema_momentum=config.average_momentum or 0.99,
    )


def save_settings(directory: Path, schema: Schema, model: ModelConfig) -> None:
    """Writes what ``load_estimator`` needs beside the checkpoints."""
    # Copies: the model can be loaded after the examples, or the config, have changed.
    save_schema(schema, directory)
    write_atomically(directory / _SETTINGS, json.dumps(to_jsonable_python(model), indent=2))


def load_estimator(model: Model) -> rnn_core.RNNEstimator:
    """The estimator of a trained model, as it was built for training.

    Raises:
        NotFoundError: the model's directory is not there any more.
    """
    directory = Path(model.path)
    if not (directory / _SETTINGS).is_file():
        raise NotFoundError(f"expected a trained model in {directory}; train it again.")
    settings = TypeAdapter(ModelConfig).validate_json((directory / _SETTINGS).read_bytes())
    return build_estimator(load_schema(directory), settings, directory, rnn_core.RunConfig())


def predict_probabilities(
    estimator: rnn_core.RNNEstimator,
    examples: Examples,
    split: Split,
    checkpoints: Sequence[str],
    at_most: int = -1,
) -> NDArray[np.float32]:
    """[A, K]: what checkpoints answer to the rows of a split, in their order: the mean of all.

    Args:
        estimator: of the checkpoints.
        examples: the directory of the examples.
        split: the split to read.
        checkpoints: of one network, or of those of an ensemble.
        at_most: reads no more rows, the first; -1: all.
    """
    kind = KINDS[load_schema(examples.path).label]
    found: list[NDArray[np.float32]] = []
    for checkpoint in checkpoints:
        batches = estimator.predict(
            lambda: read_batches(examples, split, _BATCH_SIZE, at_most=at_most).map(
                lambda features, label: features
            ),
            predict_keys=list(kind.predict_keys),
            checkpoint_path=checkpoint,
            yield_single_examples=False,
        )
        with reading_errors(examples):
            found.append(np.concatenate([kind.answers(batch) for batch in batches]))
    return np.mean(found, axis=0, dtype=np.float32)


def feature_columns(schema: Schema) -> tuple[list[Any], list[Any]]:
    """The (sequence, context) columns that read what ``components.training.datasets`` yields."""
    features, id_counts = schema.features, schema.vocabulary_sizes
    # Each column warns that it is deprecated; rnn_core is what keeps them in use.
    with quiet_libraries():
        sequence = [
            feature.column(name, id_counts.get(name), is_sequence=True)
            for name, feature in sorted(features.sequence.items())
        ]
        context = [
            feature.column(name, id_counts.get(name), is_sequence=False)
            for name, feature in sorted(features.context.items())
        ]
        context += [
            tf.feature_column.numeric_column(name, shape=kind.step_shape)
            for name, kind in features.summaries.transformed(features.numeric_columns).items()
        ]
    return sequence, context
