"""A trained network as a module that can become part of another SavedModel."""

from __future__ import annotations

import os
from collections.abc import Callable

import tensorflow as tf

from rnn_core.export.mode_graph import ModelSource, checkpoint_to_export
from rnn_core.graph.eager import eagerly
from rnn_core.models.layer_choice import stock_operations
from rnn_core.models.model import Model
from rnn_core.types import Features, ModeKeys, Predictions, Table


class Predictor(tf.Module):
    """Features to predictions with the values of one checkpoint; stock TensorFlow operations only.

    May be called inside of a ``tf.function`` and stored with ``tf.saved_model.save``.
    """

    def __init__(self, model: Model) -> None:
        super().__init__(name="predictor")
        # Bound methods: tf.Module tracks its attributes, and cannot those of feature columns.
        self._predictions: Callable[[Features], Predictions] = model.predictions
        self._resources: Callable[[], list[Table]] = model.resources
        self.weights = list(model.variables.values())
        self.tables: list[Table] = []

    def __call__(self, features: Features) -> Predictions:
        """Predictions by name; sequence features [B, T, F] ragged, sparse or dense."""
        with stock_operations():
            predictions: Predictions = self._predictions(features)
        # A table is made when a column is first applied; only an attribute of a module is saved.
        for table in self._resources():
            if not any(table is known for known in self.tables):
                self.tables.append(table)
        return predictions


@eagerly
def load_predictor(
    estimator: ModelSource, checkpoint_path: str | os.PathLike[str] | None = None
) -> Predictor:
    """The predictor of ``checkpoint_path``, or of the newest checkpoint.

    Raises:
        CheckpointError: there is no checkpoint, or it cannot be read.
    """
    checkpoint = checkpoint_to_export(estimator, checkpoint_path)
    model = estimator.new_model(ModeKeys.PREDICT)
    model.restore(checkpoint)
    return Predictor(model)
