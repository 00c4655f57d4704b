"""From the ``optimizer`` argument to what makes the optimizer of a model.

The five kinds of 2.15 keep its numbers and the names of its state (``rule_optimizer``); any other
optimizer of Keras 3, and one with a setting that 2.15 had not, moves the variables itself
(``keras_optimizer``).

``keras`` is imported by its own name: ``tf.keras`` becomes the legacy one as soon as a library,
such as tensorflow-transform, sets ``TF_USE_LEGACY_KERAS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.optimizers.keras_optimizer import keras_spec
from rnn_core.optimizers.rule_optimizer import RuleSpec
from rnn_core.optimizers.update_rules import RULES

_STRING_LEARNING_RATE: Final = 0.05
_STRING_CLIP_NORM: Final = 5.0
_STRINGS: Final = {
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "ftrl": keras.optimizers.Ftrl,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
_NEUTRAL: Final = {
    "weight_decay": (None, 0),
    "use_ema": (False,),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
}
"""Settings of Keras optimizers that have no counterpart in 2.15, with their neutral values."""


class Optimizer(Protocol):
    """Moves variables along their gradients."""

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """Each name in a checkpoint with a part of the optimizer's state."""

    def apply(self, gradients: Sequence[Any], step: tf.Tensor) -> None:
        """Clips and applies a gradient for each variable; ``step``: how many steps were before."""

    def warn_of_changes(self) -> None:
        """Logs each hyper-parameter that a checkpoint brought and that differs from the config."""


class OptimizerSpec(Protocol):
    """An optimizer before it has variables."""

    def make(self, trainable: Mapping[str, tf.Variable]) -> Optimizer:
        """The optimizer of the variables, by their names in a checkpoint."""


def optimizer_spec(optimizer: Any) -> OptimizerSpec:
    """Reads the ``optimizer`` argument: a string, a Keras 3 optimizer, or a callable giving one.

    A string gives learning rate 0.05 and clips each gradient to the norm 5.0.

    Raises:
        ArgumentError: the string is not known, or the value is something else.
        UnsupportedError: a setting of the optimizer is not supported.
    """
    if isinstance(optimizer, str):
        return _from_keras(_from_string(optimizer))
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return _from_keras(optimizer)
    if callable(optimizer):
        return optimizer_spec(optimizer())
    raise ArgumentError(
        f"optimizer: expected a string ({', '.join(sorted(_STRINGS))}), a Keras 3 optimizer or a "
        f"callable that returns one, got {optimizer!r}."
    )


def _from_string(name: str) -> Any:
    if name.lower() not in _STRINGS:
        raise ArgumentError(
            f"optimizer: expected one of {', '.join(sorted(_STRINGS))}, got {name!r}."
        )
    kind = _STRINGS[name.lower()]
    return kind(learning_rate=_STRING_LEARNING_RATE, clipnorm=_STRING_CLIP_NORM)


def _from_keras(optimizer: Any) -> OptimizerSpec:
    name = type(optimizer).__name__
    neutral = all(getattr(optimizer, key) in values for key, values in _NEUTRAL.items())
    if type(optimizer) not in _STRINGS.values() or not neutral:
        return keras_spec(optimizer)
    return RuleSpec(RULES[name], _settings(optimizer))


def _settings(optimizer: Any) -> dict[str, Any]:
    """The arguments that the optimizer was made with, which Keras keeps under their names."""
    arguments = set(inspect.signature(type(optimizer)).parameters) - {"learning_rate", "kwargs"}
    kept = {name: getattr(optimizer, name) for name in arguments}
    rate = optimizer._learning_rate  # the schedule itself; the public name gives its value
    constant = isinstance(rate, keras.Variable)
    return {**kept, "learning_rate": float(rate.numpy()) if constant else rate}
