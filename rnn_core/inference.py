"""A model for evaluation and prediction, with the values of one checkpoint."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import tensorflow as tf

from rnn_core import checkpoints
from rnn_core.checks import named_errors
from rnn_core.hooks.looking import Onlookers
from rnn_core.inputs import split
from rnn_core.model import Model
from rnn_core.types import Predictions

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
        self.predict = tf.function(self._predict, autograph=False)

    @property
    def checkpoint(self) -> str | None:
        """The checkpoint whose values it has; None: first values."""
        return None if self._loaded is None else self._loaded[0]

    def load(self, checkpoint: str | None) -> None:
        """Takes the values of ``checkpoint``, unless it holds them already; None: first values.

        Raises:
            CheckpointError: the checkpoint cannot be read or is of another model.
        """
        if checkpoint is None or self.holds(checkpoint):
            return
        self.model.restore(checkpoint)
        self.global_step = checkpoints.step_of(checkpoint)
        self._loaded = _identity(checkpoint)
        logger.info("Restored %s", checkpoint)

    def holds(self, checkpoint: str | None) -> bool:
        """Whether the values are those of ``checkpoint``."""
        if checkpoint is None:
            return self._loaded is None
        return checkpoints.exists(checkpoint) and self._loaded == _identity(checkpoint)

    def show(self, onlookers: Onlookers, function: Any, iterator: Any) -> None:
        """Begins ``onlookers``, with the hooks that the model brings, for runs of ``function``."""
        if onlookers or self.model.hooks() is None:
            # A model that is given as a function has neither variables nor hooks before.
            with named_errors():
                function.get_concrete_function(iterator)
        onlookers.add(self.model.hooks() or ())
        onlookers.begin(self.model.variables, self.global_step, self.checkpoint)

    def _evaluate(self, iterator: Any) -> dict[str, tf.Tensor]:
        features, labels = split(iterator.get_next())
        return self.model.evaluate(features, labels)

    def _predict(self, iterator: Any) -> Predictions:
        features, _ = split(iterator.get_next())
        return self.model.predictions(features)


def _identity(checkpoint: str) -> tuple[str, int]:
    return checkpoint, Path(f"{checkpoint}.index").stat().st_mtime_ns
