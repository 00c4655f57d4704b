"""A model, its global step, and the compiled loop over its steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rnn_core.distribution.replicas import OneReplica, Replicas
from rnn_core.errors import UnsupportedError
from rnn_core.graph.step_loop import run_steps, with_next
from rnn_core.loops.input_fn import split
from rnn_core.loops.input_position import InputPosition
from rnn_core.loops.input_seed import seeded
from rnn_core.models.model import Model
from rnn_core.names import InputCheckpoint
from rnn_core.storage import checkpoints


class TrainableModel:
    """A model with its global step, and the compiled loop that trains it.

    Args:
        model: the model to train; this process has one copy of its variables.
        replicas: the replicas that train it together; None: this process alone.

    Raises:
        UnsupportedError: there are several replicas, and the model writes variables in its steps.
    """

    def __init__(self, model: Model, replicas: Replicas | None = None) -> None:
        self.model = model
        self._keep_summaries()
        self.replicas = replicas or OneReplica()
        if self.replicas.local_count * self.replicas.worker_count > 1 and model.written_by_steps:
            raise UnsupportedError(
                "train_distribute: the cells write variables in their calls "
                f"({', '.join(model.written_by_steps)}), which each replica would do on its own. "
                "Train on one replica, or keep such numbers in the states of the cell."
            )
        self.global_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._traced = tf.function(self._run, autograph=False)
        self.run: Callable[..., Any] = self._traced
        self._step = self._own_step if replicas is None else self._shared_step
        self.sums_size = 0
        """S: how many numbers replicas exchange per step; 0 until a step has been traced."""

    def _keep_summaries(self) -> None:
        self.model.keep_summaries()

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """All that a checkpoint holds, by name."""
        return {"global_step": self.global_step, **self.model.variables}

    def open_input(
        self, dataset: Any, way: InputCheckpoint = "auto", seed: int | None = None
    ) -> InputPosition:
        """The input at its beginning.

        Args:
            dataset: makes the dataset of a worker, given as ``Replicas``.
            way: how its position is saved; see ``RunConfig.input_checkpoint``.
            seed: for the random operations in it; see ``input_seed``.
        """
        replicas = self.replicas
        with seeded(seed) as used:
            made = dataset(replicas)
        return InputPosition(made, replicas.worker, replicas.worker_count, way, used)

    def restore(self, checkpoint: str) -> None:
        """Takes the values of a checkpoint. Raises CheckpointError."""
        self.model.restore(checkpoint)
        self.global_step.assign(checkpoints.read_step(checkpoint))

    def broadcast_from_chief(self) -> None:
        """Gives all workers the initial values of the chief. Raises WorkerLostError."""
        # An all_gather in which the other workers have zeros. float64 holds each float32 exactly.
        floats = [v for v in self.variables.values() if v.dtype.is_floating]
        own = tf.concat([tf.reshape(tf.cast(v, tf.float64), [-1]) for v in floats], 0).numpy()
        row = own if self.replicas.worker == 0 else own * 0
        values = tf.split(
            self.replicas.all_gather(row)[0], [v.shape.num_elements() for v in floats]
        )
        for variable, value in zip(floats, values, strict=True):
            variable.assign(tf.cast(tf.reshape(value, variable.shape), variable.dtype))

    def prepare(self, iterator: Any) -> None:
        """Traces the loop, which makes the variables of a model that is given as a function."""
        # A tensor as count: each new number of Python would be traced as another function.
        self._traced.get_concrete_function(iterator, tf.constant(0))

    def _run(self, iterator: Any, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Runs up to ``count`` steps; returns how many there were, and the last loss."""
        return run_steps(lambda loss: self._step(iterator, loss), count, tf.constant(0.0))

    def _own_step(self, iterator: Any, loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Trains on the next batch; returns whether there was one, and its loss or ``loss``."""

        def train_step(element: Any) -> tf.Tensor:
            features, labels = split(element)
            return self.model.train_step(features, labels, self.global_step)

        return with_next(iterator, train_step, loss)

    def _shared_step(self, iterator: Any, loss: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Trains on a batch per replica; a replica whose input has ended contributes zeros."""
        elements = [iterator.get_next_as_optional() for _ in range(self.replicas.local_count)]
        total = self.replicas.all_reduce_sum(lambda replica: self._sums(elements[replica], replica))
        # The first number is the count of batches. It is the same on all workers, so all of them
        # take the same branch, and none waits for an all-reduce that another one skips.
        has_batch = total[0] > 0
        return has_batch, tf.cond(
            has_batch,
            lambda: self.model.apply_sums(total, self.global_step),
            lambda: loss,
        )

    def _sums(self, element: Any, replica: int) -> tf.Tensor:
        """float32 [S]: the sums of the model, or zeros without a batch."""
        replicas = self.replicas
        number = replicas.worker * replicas.local_count + replica
        # A number of its own for each replica and step, which seeds dropout.
        draw = self.global_step * replicas.local_count * replicas.worker_count + number

        def sums() -> tf.Tensor:
            features, labels = split(element.get_value())
            found = self.model.gradient_sums(features, labels, draw)
            self.sums_size = found.shape[0]
            return found

        # tf.cond traces its first branch first, so sums_size is set when the second is traced.
        return tf.cond(element.has_value(), sums, lambda: tf.zeros([self.sums_size]))
