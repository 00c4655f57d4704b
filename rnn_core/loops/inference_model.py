"""A model for evaluation and prediction, with the values of one checkpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import tensorflow as tf

from rnn_core.graph.runtime_checks import named_errors
from rnn_core.graph.step_loop import run_steps, with_next
from rnn_core.hooks.batch_hooks import BatchHooks
from rnn_core.loops.input_fn import split
from rnn_core.models.model import Model
from rnn_core.storage import checkpoints
from rnn_core.types import Array, Predictions

logger = logging.getLogger("rnn_core")


class InferenceModel:
    """Compiled evaluation and prediction; traced once for each kind of input."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.global_step = 0
        self._loaded: tuple[str, int] | None = None
        self.metrics = model.metrics
        self.reset_metrics = model.reset_metrics
        self.evaluate = tf.function(self._evaluate, autograph=False)
        self.evaluate_many = tf.function(self._evaluate_many, autograph=False)
        self.predict = tf.function(self._predict, autograph=False)
        self.predict_single = tf.function(self._predict_single, autograph=False)

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint whose values it has; None: initial values."""
        return None if self._loaded is None else self._loaded[0]

    def load(self, checkpoint: str | None) -> None:
        """Restores ``checkpoint``, unless it is loaded already; None: keeps initial values.

        Raises:
            CheckpointError: the checkpoint cannot be read or is of another model.
        """
        if checkpoint is None or self.holds(checkpoint):
            return
        self.model.restore(checkpoint)
        self.global_step = checkpoints.read_step(checkpoint)
        self._loaded = _identity(checkpoint)
        logger.info("Restored %s", checkpoint)

    def assign(self, values: Mapping[str, Array]) -> None:
        """Takes values by name, ``global_step`` among them, in place of those of a checkpoint."""
        self.model.assign(values)
        self.global_step = int(values["global_step"])
        self._loaded = None

    def holds(self, checkpoint: str | None) -> bool:
        """Whether the values are those of ``checkpoint``."""
        if checkpoint is None:
            return self._loaded is None
        return checkpoints.exists(checkpoint) and self._loaded == _identity(checkpoint)

    def prepare(self, batch_hooks: BatchHooks, function: Any, batch: Any) -> Callable[[Any], Any]:
        """The compiled ``function`` traced for inputs like ``batch``; begins ``batch_hooks``.

        Hooks of the model itself are added to ``batch_hooks``. Raises FeatureError.
        """
        # A model that is given as a function has neither variables nor hooks before it is traced.
        with named_errors():
            traced: Callable[[Any], Any] = function.get_concrete_function(batch)
        batch_hooks.add(self.model.hooks() or ())
        batch_hooks.begin(self.model.variables, self.global_step, self.checkpoint)
        return traced

    def _evaluate(self, batch: Any) -> dict[str, tf.Tensor]:
        return self.model.evaluate(*split(batch))

    def _evaluate_many(
        self, iterator: Any, count: tf.Tensor, total: dict[str, tf.Tensor]
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """How many of up to ``count`` batches there were, and ``total`` with their sums added."""
        # The trace of `prepare`, with its variables: a model function is not called again in the
        # loop.
        evaluate = self.evaluate.get_concrete_function(iterator.element_spec)

        def added(total: dict[str, tf.Tensor], batch: Any) -> dict[str, tf.Tensor]:
            sums = evaluate(batch)
            return {name: value + sums[name] for name, value in total.items()}

        return run_steps(
            lambda total: with_next(iterator, lambda batch: added(total, batch), total),
            count,
            total,
        )

    def _predict(self, batch: Any) -> Predictions:
        features, _ = split(batch)
        return self.model.predictions(features)

    def _predict_single(self, dataset: tf.data.Dataset) -> Predictions:
        """The predictions of the only batch, which the same graph call takes out of ``dataset``."""
        return self._predict(dataset.get_single_element())


def _identity(checkpoint: str) -> tuple[str, int]:
    # Not the name alone: a training that was started over writes other values under the same names.
    return checkpoint, checkpoints.identity(checkpoint)
