"""The outputs of a graph that is exported for evaluation or training."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from rnn_core.errors import ArgumentError


@dataclasses.dataclass(frozen=True, eq=False)
class SupervisedOutput:
    """The loss, the predictions and the metrics of a batch.

    Raises:
        ArgumentError: a name is not a string, or a value is not a tensor.
    """

    loss: tf.Tensor | Mapping[str, tf.Tensor] | None = None
    """A tensor or a dict of them."""
    predictions: tf.Tensor | Mapping[str, tf.Tensor] | None = None
    """A tensor or a dict of them."""
    metrics: Mapping[str, tuple[tf.Tensor, tf.Tensor | tf.Operation]] | None = None
    """By name, the value and the operation that adds a batch to it."""

    def __post_init__(self) -> None:
        for name, value in self.outputs.items():
            if not tf.is_tensor(value):
                raise ArgumentError(
                    f"{type(self).__name__}: expected a tensor as {name!r}, got {value!r}."
                )

    @functools.cached_property
    def outputs(self) -> dict[str, tf.Tensor]:
        """All tensors, by the name of the output: ``loss``, ``predictions/NAME``,
        ``metrics/NAME/value``, ``metrics/NAME/update_op``."""
        values = _named(self.loss, "loss") | _named(self.predictions, "predictions")
        for name, (value, update) in _named(dict(self.metrics or {}), "metrics").items():
            values |= {f"{name}/value": value, f"{name}/update_op": _as_tensor(update)}
        return values


class EvalOutput(SupervisedOutput):
    """The outputs of a graph for ``ModeKeys.EVAL``."""


class TrainOutput(SupervisedOutput):
    """The outputs of a graph for ``ModeKeys.TRAIN``."""


def _as_tensor(update: tf.Tensor | tf.Operation) -> tf.Tensor:
    """The tensor, or for an operation an empty one that runs it: a signature holds tensors only."""
    if not isinstance(update, tf.Operation):
        return update
    with tf.control_dependencies([update]):
        return tf.constant([], tf.float32)


def _named(values: Any, kind: str) -> dict[str, Any]:
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        return {kind: values}
    # As in 2.15, a name that begins with the kind does not get it twice.
    return {key if key.startswith(kind) else f"{kind}/{key}": v for key, v in values.items()}
