"""The outputs of an exported model: one class for each kind of signature.

Nothing of the package but its errors is imported here, so that heads and exports both can use it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.types import TensorLike

SERVING_DEFAULT: Final = "serving_default"
CLASSIFICATION: Final = "classification"
REGRESSION: Final = "regression"
PREDICT: Final = "predict"
"""The names of signatures."""

_ONLY_OUTPUT: Final = "output"
"""The name of an output that was given without one."""


@dataclasses.dataclass(frozen=True, eq=False)
class PredictOutput:
    """Any outputs: a dict from name to tensor, or one tensor, which gets the name ``output``.

    Raises:
        ArgumentError: a name is not a string, or a value is not a tensor.
    """

    outputs: TensorLike | Mapping[str, TensorLike]
    """Always a dict, once constructed."""

    def __post_init__(self) -> None:
        named = self.outputs if isinstance(self.outputs, Mapping) else {_ONLY_OUTPUT: self.outputs}
        for name, value in named.items():
            if not isinstance(name, str) or not tf.is_tensor(value):
                raise ArgumentError(
                    f"PredictOutput: expected a tensor or a dict from string to tensor, got "
                    f"{name!r}: {value!r}."
                )
        object.__setattr__(self, "outputs", dict(named))


@dataclasses.dataclass(frozen=True, eq=False)
class ClassificationOutput:
    """Scores of classes, their names, or both, where each score belongs to the name beside it.

    Raises:
        ArgumentError: both are missing, or one is of another dtype.
    """

    scores: tf.Tensor | None = None
    """float [B, K]."""
    classes: tf.Tensor | None = None
    """string [B, K]."""

    def __post_init__(self) -> None:
        if self.scores is None and self.classes is None:
            raise ArgumentError("ClassificationOutput: expected scores or classes, got neither.")
        if self.scores is not None:
            _require_floats(self.scores, "ClassificationOutput: scores")
        if self.classes is not None and not (
            tf.is_tensor(self.classes) and self.classes.dtype == tf.string
        ):
            raise ArgumentError(
                f"ClassificationOutput: classes: expected a tensor of strings, got "
                f"{self.classes!r}; tf.strings.as_string turns class ids into strings."
            )


@dataclasses.dataclass(frozen=True, eq=False)
class RegressionOutput:
    """Numbers.

    Raises:
        ArgumentError: they are not a tensor of floats.
    """

    value: tf.Tensor
    """float [B, L]."""

    def __post_init__(self) -> None:
        _require_floats(self.value, "RegressionOutput: value")


class Supervised(NamedTuple):
    """What a model computes of a batch with labels, for a graph that is exported."""

    loss: tf.Tensor
    predictions: tf.Tensor | Mapping[str, tf.Tensor]
    """By name, or one tensor."""
    metrics: Mapping[str, tuple[tf.Tensor, tf.Tensor | tf.Operation]]
    """By name, the value and the operation that adds the batch to it."""
    train_op: tf.Operation | tf.Tensor | None
    """What updates the variables and the global step; None but for training."""


ExportOutput: TypeAlias = PredictOutput | ClassificationOutput | RegressionOutput


def _require_floats(value: tf.Tensor, what: str) -> None:
    if not (tf.is_tensor(value) and value.dtype.is_floating):
        raise ArgumentError(f"{what}: expected a tensor of floats, got {value!r}.")
