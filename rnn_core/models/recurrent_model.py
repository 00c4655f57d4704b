"""A recurrent network with a head and an optimizer, as one model."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

import tensorflow as tf

from rnn_core.distribution import gradient_buffer
from rnn_core.errors import NanLossDuringTrainingError
from rnn_core.features.named import named_features
from rnn_core.features.sequence_mask import require_rows
from rnn_core.graph.runtime_checks import require
from rnn_core.graph.step_loop import LastValue
from rnn_core.graph.summed_metrics import streamed
from rnn_core.heads import Head
from rnn_core.heads.base import SUM, SUM_OVER_BATCH_SIZE, Losses
from rnn_core.heads.export_outputs import ExportOutput, Supervised
from rnn_core.heads.sequential import SequentialHeadWrapper
from rnn_core.heads.weights import require_some_weight
from rnn_core.models.network import Network, NetworkSpec, Output
from rnn_core.optimizers.gradients import Gradient
from rnn_core.optimizers.optimizers import OptimizerSpec
from rnn_core.storage import checkpoints, summaries
from rnn_core.storage.summaries import Summary
from rnn_core.types import Array, Features, Labels, Predictions, Table

logger = logging.getLogger("rnn_core")

_LENGTHS_TAG: Final = "rnn_model/sequence_input_layer/sequence_length"

_COUNTS: Final = 4
"""The numbers that come before the gradients in ``gradient_sums``."""


class RecurrentModel:
    """A recurrent network with its head; with its optimizer if it is to be trained.

    Without an optimizer, ``averaged`` gives the weights the names that their averages have in a
    checkpoint, so that everything that is evaluated, predicted and exported has those.
    """

    def __init__(
        self,
        spec: NetworkSpec,
        head: Head,
        seed: int | None,
        optimizer: OptimizerSpec | None = None,
        averaged: bool = False,
    ) -> None:
        self._network = Network(spec, seed)
        self._sequential = head if isinstance(head, SequentialHeadWrapper) else None
        self._head = head if self._sequential is None else self._sequential.static_head
        trainable = self._network.trainable
        self._trainable = list(trainable.values())
        self._optimizer = None if optimizer is None else optimizer.make(trainable)
        self._averaged = averaged and optimizer is None
        self._parts: tuple[gradient_buffer.Part, ...] = ()
        self._lengths: LastValue | None = None

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """The network's weights, and the optimizer's slots and hyper-parameters, by name."""
        slots = {} if self._optimizer is None else self._optimizer.variables
        weights = {self._saved_name(name): one for name, one in self._network.variables.items()}
        return {**weights, **slots}

    def _saved_name(self, name: str) -> str:
        is_average = self._averaged and name in self._network.trainable
        return checkpoints.average_of(name) if is_average else name

    @property
    def written_by_steps(self) -> Sequence[str]:
        """The names of variables that cells write in each step."""
        return self._network.written_by_cells

    def restore(self, checkpoint: str) -> None:
        """Takes the values of a checkpoint, which may hold more.

        Raises:
            CheckpointError: the checkpoint cannot be read or is of another model.
        """
        values = checkpoints.read(checkpoint)
        fresh = self._never_trained(values)
        if fresh:
            logger.warning("Not in %s, and so with initial values: %s", checkpoint, sorted(fresh))
        kept = {name: value for name, value in self.variables.items() if name not in fresh}
        checkpoints.restore(kept, checkpoint)
        if self._optimizer is not None:
            self._optimizer.warn_of_changes()
        elif not self._averaged and any(name.endswith(checkpoints.AVERAGE) for name in values):
            logger.warning(
                "%s has averages of the weights, which are not used here: the optimizer of this "
                "estimator has no use_ema. Give it the optimizer of the training.",
                checkpoint,
            )

    def assign(self, values: Mapping[str, Array]) -> None:
        """Takes values by name, which may hold more."""
        for name, variable in self.variables.items():
            variable.assign(values[name])

    def _never_trained(self, values: Mapping[str, Array]) -> set[str]:
        """Slots that the checkpoint lacks though it has those of other variables."""
        # 2.15 did not train shared embeddings: its checkpoints hold no slots for them.
        state = [] if self._optimizer is None else list(self._optimizer.variables)
        slots = [{name for name in state if f"/{one}/" in name} for one in self._network.trainable]
        missing = [names for names in slots if names and not names & values.keys()]
        return set().union(*missing) if len(missing) < sum(map(bool, slots)) else set()

    def train_step(self, features: Features, labels: Labels, global_step: tf.Variable) -> tf.Tensor:
        """One step of the optimizer along the gradient of the loss; gives the loss."""
        losses, tape = self._watched_losses(features, labels, global_step)
        gradients = tape.gradient(losses.minimized, self._trainable)
        rows, weighted = tf.size(losses.per_example), tf.math.count_nonzero(losses.weights)
        self._move(gradients, losses.minimized, rows, weighted, global_step)
        return losses.minimized

    def gradient_sums(self, features: Features, labels: Labels, draw: tf.Tensor) -> tf.Tensor:
        """What adds up over the batches of several replicas, one float32 buffer.

        1 for the batch, its examples, those with a weight, their loss, and then all gradients.
        """
        losses, tape = self._watched_losses(features, labels, draw)
        examples = tf.cast(tf.size(losses.per_example), tf.float32)
        # The mean over all parts of a batch is not the sum of their means: here are sums, which
        # apply_sums divides by the number of all examples.
        factor = examples if self._is_mean else tf.ones([])
        gradients = tape.gradient(losses.minimized, self._trainable, output_gradients=factor)
        self._parts = gradient_buffer.layout(gradients, self._trainable)
        weighted = tf.math.count_nonzero(losses.weights, dtype=tf.float32)
        counts = tf.stack([1.0, examples, weighted, losses.minimized * factor])
        return gradient_buffer.pack(counts, gradients, self._trainable)

    def apply_sums(self, sums: tf.Tensor, global_step: tf.Variable) -> tf.Tensor:
        """One step along the gradient of the loss over all examples; gives that loss."""
        counts, *pieces = gradient_buffer.split(sums, _COUNTS, self._parts)
        _, examples, weighted, loss = tf.unstack(counts)
        divisor = tf.maximum(examples, 1.0) if self._is_mean else tf.ones([])
        loss = loss / divisor
        gradients = gradient_buffer.unpack(pieces, self._parts, divisor)
        self._move(gradients, loss, examples, weighted, global_step)
        return loss

    @property
    def _is_mean(self) -> bool:
        return getattr(self._head, "loss_reduction", SUM_OVER_BATCH_SIZE) != SUM

    def _watched_losses(
        self, features: Features, labels: Labels, draw: tf.Tensor
    ) -> tuple[Losses, tf.GradientTape]:
        named = named_features(features)
        # Only the trainable variables are watched: a user's cell may read others, such as counters.
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._trainable)
            output = self._network(named, draw)
            losses = self._head.losses(*self._examples(named, labels, output))
        self._leave_summary(losses.minimized, output.lengths)
        return losses, tape

    def _move(
        self,
        gradients: Sequence[Gradient | None],
        loss: tf.Tensor,
        examples: tf.Tensor,
        weighted: tf.Tensor,
        global_step: tf.Variable,
    ) -> None:
        """Checks the loss, the rows and the weights of the whole batch, and moves the variables."""
        if self._optimizer is None:
            raise RuntimeError("A model without an optimizer cannot be trained.")
        checks = [
            require_rows(examples),
            require_some_weight(examples, weighted),
            _finite(loss, global_step),
        ]
        # A batch that fails a check must not move anything: the last checkpoint stays good.
        with tf.control_dependencies(checks):
            self._optimizer.apply(gradients, global_step)
            global_step.assign_add(1)

    def _examples(
        self, features: Features, labels: Labels, output: Output
    ) -> tuple[Features, Labels, tf.Tensor]:
        """Features, labels and logits for the head; those of the real steps if each has a label."""
        if self._sequential is None or output.mask is None:
            return features, labels, output.logits
        return self._sequential.flatten(features, labels, output.logits, output.mask)

    def keep_summaries(self) -> None:
        """Makes each step keep its lengths for ``summary``, in place of a summary in the graph."""
        self._lengths = LastValue(tf.int64, [None])

    def _leave_summary(self, loss: tf.Tensor, lengths: tf.Tensor) -> None:
        """Keeps the lengths for ``summary``, or puts a summary in the graph as 2.15 did."""
        if self._lengths is not None:
            self._lengths.put(lengths)
            return
        # A model_fn around this model collects what is in its graph.
        summaries.collect_histogram(_LENGTHS_TAG, lengths)
        if self._named_loss is not None:
            summaries.collect_number(self._named_loss, loss)

    @property
    def _named_loss(self) -> str | None:
        name = getattr(self._head, "name", None)
        return f"loss/{name}" if name else None

    def summary(self, loss: float) -> Summary:
        """The loss, also by the name of the head if it has one, and the lengths."""
        tags = ["loss"] if self._named_loss is None else ["loss", self._named_loss]
        made = summaries.numbers(dict.fromkeys(tags, loss))
        if self._lengths is not None:
            made.MergeFrom(summaries.histogram(_LENGTHS_TAG, self._lengths.get()))
        return made

    def reset_metrics(self) -> None:
        """Does nothing: ``evaluate`` returns its sums and keeps none."""

    def evaluate(self, features: Features, labels: Labels) -> dict[str, tf.Tensor]:
        """The head's sums over the batch, float64."""
        named = named_features(features)
        examples = self._examples(named, labels, self._network(named))
        return self._head.sums(self._head.losses(*examples), examples[2])

    def metrics(self, sums: Mapping[str, Array]) -> dict[str, float]:
        """The head's metrics."""
        return {name: float(value) for name, value in self._head.metrics(sums).items()}

    def predictions(self, features: Features) -> Predictions:
        """The head's predictions, by name."""
        return self._predictions(self._network(named_features(features)))

    def _predictions(self, output: Output) -> Predictions:
        if self._sequential is None or output.mask is None:
            return self._head.predictions(output.logits)
        return self._sequential.masked_predictions(output.logits, output.mask)

    def export_outputs(self, predictions: Predictions) -> dict[str, ExportOutput]:
        """The head's signatures."""
        return (self._sequential or self._head).export_outputs(predictions)

    def supervised(
        self, features: Features, labels: Labels, global_step: tf.Variable
    ) -> Supervised:
        """The head's loss and predictions; with an optimizer the step, without one the metrics."""
        named = named_features(features)
        output = self._network(named)
        examples = self._examples(named, labels, output)
        losses, predictions = self._head.losses(*examples), self._predictions(output)
        if self._optimizer is not None:
            run = tf.function(self.train_step, autograph=False)
            step = run(features, labels, global_step).op
            return Supervised(losses.minimized, predictions, {}, step)
        metrics = streamed(self._head.sums(losses, examples[2]), self._head.metrics)
        # The loss of the batch is an output of its own.
        metrics.pop("loss", None)
        return Supervised(losses.reduced, predictions, metrics, None)

    def hooks(self) -> tuple[()]:
        """A recurrent model brings no hooks."""
        return ()

    def resources(self) -> list[Table]:
        """Lookup tables of the columns that were made so far."""
        return self._network.resources


def _finite(loss: tf.Tensor, global_step: tf.Variable) -> tf.Operation:
    return require(
        tf.math.is_finite(loss),
        NanLossDuringTrainingError,
        "The loss is not a finite number, and nothing was updated with it. Lower the learning "
        "rate, clip the gradients, or look for NaN in the features; the last checkpoint is "
        "still good. Steps before, and the loss",
        tf.stack([tf.cast(global_step, tf.float32), loss]),
    )
