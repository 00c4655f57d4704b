"""What an estimator trains, evaluates and predicts with: one interface for all kinds of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import tensorflow as tf

from rnn_core.heads.export_outputs import ExportOutput, Supervised
from rnn_core.models.estimator_spec import AnyHook
from rnn_core.storage.summaries import Summary
from rnn_core.types import Array, Features, Labels, Predictions, Table


class Model(Protocol):
    """Functions of a batch, which run inside a graph, and the variables that they read."""

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """What a checkpoint holds besides the global step, by name."""

    @property
    def written_by_steps(self) -> Sequence[str]:
        """The names of variables that a step writes besides those that the optimizer moves."""

    def restore(self, checkpoint: str) -> None:
        """Takes the values of a checkpoint. Raises CheckpointError."""

    def assign(self, values: Mapping[str, Array]) -> None:
        """Takes values by name, which may hold more; also for variables made later."""

    def train_step(self, features: Features, labels: Labels, global_step: tf.Variable) -> tf.Tensor:
        """Updates the variables and the global step; the loss, a float32 scalar."""

    def gradient_sums(self, features: Features, labels: Labels, draw: tf.Tensor) -> tf.Tensor:
        """What adds up over the batches of many replicas; float32 [S], the first number 1.

        ``draw`` is an int64 scalar that the random numbers of the batch are derived from. A batch
        may have no rows.
        """

    def apply_sums(self, sums: tf.Tensor, global_step: tf.Variable) -> tf.Tensor:
        """``train_step``, out of the ``gradient_sums`` of all replicas."""

    def keep_summaries(self) -> None:
        """Called before the first step, if ``summary`` is to be called after some."""

    def summary(self, loss: float) -> Summary:
        """What the event file gets of the last step, which had the loss ``loss``."""

    def reset_metrics(self) -> None:
        """Called before the first batch of an evaluation."""

    def evaluate(self, features: Features, labels: Labels) -> dict[str, tf.Tensor]:
        """Sums over the batch, by name."""

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, float]:
        """Metrics of what was summed over all batches."""

    def predictions(self, features: Features) -> Predictions:
        """Predictions of the batch by name."""

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """What ``predictions``, those of the last call, answer with, by signature name."""

    def supervised(
        self, features: Features, labels: Labels, global_step: tf.Variable
    ) -> Supervised:
        """Loss, predictions, metrics and ``train_op`` of a batch, for a graph that is exported."""

    def hooks(self) -> Sequence[AnyHook] | None:
        """Hooks that the model brings; None while they are not known, before the first trace."""

    def resources(self) -> list[Table]:
        """Lookup tables that were made so far."""
