"""Averages of the weights over the steps, which are evaluated and exported in place of the weights.

After each batch a = m * a + (1 - m) * w, with a = w after the first: the numbers of ``use_ema`` in
Keras (Polyak and Juditsky 1992, Acceleration of Stochastic Approximation by Averaging). Training
goes on with w. Both are in the checkpoint, a as ``<variable>/ExponentialMovingAverage``, as
``tf.train.ExponentialMovingAverage`` named it.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from rnn_core.optimizers.gradients import Gradient
from rnn_core.storage.checkpoints import average_of

if TYPE_CHECKING:
    from rnn_core.optimizers.optimizers import Optimizer, OptimizerSpec


@contextlib.contextmanager
def named_as_averages() -> Iterator[None]:
    """Gives trainable variables the names of their averages: a ``model_fn`` is restored by those
    names that its variables were made with."""

    def create(next_creator: Callable[..., tf.Variable], **settings: Any) -> tf.Variable:
        if settings.get("trainable") is not False and settings.get("name"):
            settings["name"] = average_of(settings["name"])
        return next_creator(**settings)

    with tf.variable_creator_scope(create):
        yield


@dataclasses.dataclass(frozen=True)
class AveragedSpec:
    """An optimizer whose weights are averaged."""

    spec: OptimizerSpec
    momentum: float
    """m: about the last 1 / (1 - m) batches count."""
    batches_per_step: int
    """Of the optimizer, which may add up the gradients of several."""

    def make(self, trainable: Mapping[str, tf.Variable]) -> AveragingOptimizer:
        """The optimizer of the variables."""
        return AveragingOptimizer(self, trainable)


class AveragingOptimizer:
    """Moves variables, and their averages after them.

    ``variables`` has the averages besides the state of the optimizer.
    """

    def __init__(self, spec: AveragedSpec, trainable: Mapping[str, tf.Variable]) -> None:
        self._spec = spec
        self._optimizer: Optimizer = spec.spec.make(trainable)
        self.warn_of_changes = self._optimizer.warn_of_changes
        self._pairs = [
            (variable, tf.Variable(tf.identity(variable), trainable=False, name=average_of(name)))
            for name, variable in trainable.items()
        ]
        self.variables: dict[str, tf.Variable] = {
            **self._optimizer.variables,
            **{
                average_of(name): average
                for name, (_, average) in zip(trainable, self._pairs, strict=True)
            },
        }

    def apply(self, gradients: Sequence[Gradient | None], step: tf.Tensor) -> None:
        """Moves the variables, and the averages towards where they are then."""
        self._optimizer.apply(gradients, step)
        is_first = tf.convert_to_tensor(step) < self._spec.batches_per_step
        share = tf.where(is_first, 1.0, 1 - self._spec.momentum)
        for variable, average in self._pairs:
            average.assign_sub((average - variable) * tf.cast(share, average.dtype))
