"""The estimator: its feature columns, built from the config or from a trained model's directory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf
from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

import rnn_core
from components.artifacts.schema import Schema, load_schema, save_schema
from components.artifacts.storage import write_atomically
from components.artifacts.values import Model
from components.config import ModelConfig
from components.errors import NotFoundError
from components.runtime.libraries import quiet_libraries
from rnn_core.optimizers.optimizers import KINDS as OPTIMIZERS

CHECKPOINTS = "checkpoints"
"""Folder of a model directory that is the estimator's ``model_dir``."""

_SETTINGS = "model.json"


def build_estimator(
    schema: Schema, model: ModelConfig, directory: Path, run_config: rnn_core.RunConfig
) -> rnn_core.RNNClassifier:
    """A classifier whose checkpoints are below ``directory``."""
    sequence, context = feature_columns(schema)
    optimizer = model.optimizer
    return rnn_core.RNNClassifier(
        sequence_feature_columns=sequence,
        context_feature_columns=context or None,
        units=list(model.units),
        cell_type=model.cell_type,
        model_dir=str(directory / CHECKPOINTS),
        n_classes=len(schema.labels),
        label_vocabulary=list(schema.labels),
        # A function: an optimizer holds variables, and each model needs one of its own.
        optimizer=lambda: OPTIMIZERS[optimizer.name].keras_class(
            learning_rate=optimizer.learning_rate, clipnorm=optimizer.clip_norm
        ),
        config=run_config,
    )


def save_settings(directory: Path, schema: Schema, model: ModelConfig) -> None:
    """Writes what ``load_estimator`` needs beside the checkpoints."""
    # Copies: the model can be loaded after the examples, or the config, have changed.
    save_schema(schema, directory)
    write_atomically(directory / _SETTINGS, json.dumps(to_jsonable_python(model), indent=2))


def load_estimator(model: Model) -> rnn_core.RNNClassifier:
    """The estimator of a trained model, as it was built for training.

    Raises:
        NotFoundError: the model's directory is not there any more.
    """
    directory = Path(model.path)
    if not (directory / _SETTINGS).is_file():
        raise NotFoundError(f"expected a trained model in {directory}; train it again.")
    settings = TypeAdapter(ModelConfig).validate_json((directory / _SETTINGS).read_bytes())
    return build_estimator(load_schema(directory), settings, directory, rnn_core.RunConfig())


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
