"""From the ``optimizer`` argument to what makes the optimizer of a model.

The five kinds of 2.15 keep its numbers and the names of its state (``rule_optimizer``); any other
optimizer of Keras 3, and one with a setting that 2.15 had not, moves the variables itself
(``keras_optimizer``).

``keras`` is imported by its own name: ``tf.keras`` becomes the legacy one as soon as a library,
such as tensorflow-transform, sets ``TF_USE_LEGACY_KERAS``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.optimizers import update_rules
from rnn_core.optimizers.averages import AveragedSpec
from rnn_core.optimizers.global_step import called, learning_rate
from rnn_core.optimizers.gradients import Gradient
from rnn_core.optimizers.keras_optimizer import keras_spec
from rnn_core.optimizers.rule_optimizer import RuleSpec
from rnn_core.optimizers.update_rules import Rule


class OptimizerKind(NamedTuple):
    """What the name of an optimizer stands for."""

    keras_class: type[keras.optimizers.Optimizer]
    """Has the settings, with their defaults."""
    rule: Rule
    """Moves the variables, as the class of that name in 2.15 did."""


KINDS: Final[Mapping[str, OptimizerKind]] = {
    "adagrad": OptimizerKind(keras.optimizers.Adagrad, update_rules.ADAGRAD),
    "adam": OptimizerKind(keras.optimizers.Adam, update_rules.ADAM),
    "ftrl": OptimizerKind(keras.optimizers.Ftrl, update_rules.FTRL),
    "rmsprop": OptimizerKind(keras.optimizers.RMSprop, update_rules.RMSPROP),
    "sgd": OptimizerKind(keras.optimizers.SGD, update_rules.SGD),
}
"""By the words of ``rnn_core.names.OptimizerName``, from which a config takes its choices."""

# What tf.estimator's RNNClassifier of 2.15 took for an optimizer that was given by its name.
_NAMED_LEARNING_RATE: Final = 0.05
_NAMED_CLIP_NORM: Final = 5.0
OptimizerArgument: TypeAlias = (
    "str | keras.optimizers.Optimizer | Callable[[], keras.optimizers.Optimizer]"
)
"""An optimizer's name, an optimizer of Keras 3, or a function of no arguments that returns one."""

_NEUTRAL: Final = {
    "weight_decay": (None, 0),
    "loss_scale_factor": (None,),
    "gradient_accumulation_steps": (None,),
}
"""Settings that 2.15 did not have, each with the values that mean it is not used."""


class Optimizer(Protocol):
    """Moves variables along their gradients."""

    @property
    def variables(self) -> Mapping[str, tf.Variable]:
        """Each name in a checkpoint with a part of the optimizer's state."""

    def apply(self, gradients: Sequence[Gradient | None], step: tf.Tensor) -> None:
        """Clips and applies a gradient for each variable; ``step``: how many steps were before."""

    def warn_of_changes(self) -> None:
        """Logs each hyper-parameter that a checkpoint brought and that differs from the config."""


class OptimizerSpec(Protocol):
    """An optimizer before it has variables."""

    def make(self, trainable: Mapping[str, tf.Variable]) -> Optimizer:
        """The optimizer of the variables, by their names in a checkpoint."""


def optimizer_spec(optimizer: OptimizerArgument) -> OptimizerSpec:
    """Reads the ``optimizer`` argument: a string, a Keras 3 optimizer, or a callable giving one.

    A string gives learning rate 0.05 and clips each gradient to the L2 norm 5.0. In a callable,
    ``tf.compat.v1.train.get_global_step()`` gives the step of the training.

    Raises:
        ArgumentError: the string is not known, or the value is something else.
        UnsupportedError: a setting of the optimizer is not supported.
    """
    if isinstance(optimizer, str):
        return _from_keras(_from_name(optimizer))
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return _from_keras(optimizer)
    if callable(optimizer):
        made, step = called(optimizer)
        is_keras = isinstance(made, keras.optimizers.Optimizer)
        return _from_keras(made, step) if is_keras else optimizer_spec(made)
    raise ArgumentError(
        f"optimizer: expected a string ({', '.join(sorted(KINDS))}), a Keras 3 optimizer or a "
        f"callable that returns one, got {optimizer!r}."
    )


def _from_name(name: str) -> keras.optimizers.Optimizer:
    if name.lower() not in KINDS:
        raise ArgumentError(f"optimizer: expected one of {', '.join(sorted(KINDS))}, got {name!r}.")
    keras_class = KINDS[name.lower()].keras_class
    return keras_class(learning_rate=_NAMED_LEARNING_RATE, clipnorm=_NAMED_CLIP_NORM)


def _from_keras(
    optimizer: keras.optimizers.Optimizer, step: tf.Variable | None = None
) -> OptimizerSpec:
    spec = _without_averages(optimizer, step)
    if not optimizer.use_ema or optimizer.ema_overwrite_frequency:
        return spec
    batches = optimizer.gradient_accumulation_steps or 1
    return AveragedSpec(spec, float(optimizer.ema_momentum), batches)


def _without_averages(
    optimizer: keras.optimizers.Optimizer, step: tf.Variable | None
) -> OptimizerSpec:
    # A subclass may move variables in its own way, so only the very classes have a rule.
    rules = {kind.keras_class: kind.rule for kind in KINDS.values()}
    rule = rules.get(type(optimizer))
    neutral = all(getattr(optimizer, key) in values for key, values in _NEUTRAL.items())
    neutral = neutral and not (optimizer.use_ema and optimizer.ema_overwrite_frequency)
    if rule is None or not neutral:
        return keras_spec(optimizer, step)
    # Keras keeps the arguments that an optimizer was made with under their names.
    arguments = set(inspect.signature(type(optimizer)).parameters) - {"learning_rate", "kwargs"}
    settings: dict[str, Any] = {name: getattr(optimizer, name) for name in arguments}
    return RuleSpec(rule, {**settings, "learning_rate": learning_rate(optimizer, step)})
