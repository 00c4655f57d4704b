"""From the ``optimizer`` argument to an optimizer whose state has the names of TensorFlow 2.15.

Five kinds are known: Adagrad, Adam, Ftrl, RMSprop and SGD. Slots are saved as
``training/<Kind>/<variable>/<slot>`` and hyper-parameters as ``training/<Kind>/<name>``; the
iterations are the global step. How each kind moves a variable is in ``update_rules``.

``keras`` is imported by its own name: ``tf.keras`` becomes the legacy one as soon as a library,
such as tensorflow-transform, sets ``TF_USE_LEGACY_KERAS``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.update_rules import RULES, Rule

logger = logging.getLogger("rnn_core")

_STRING_LEARNING_RATE: Final = 0.05
_STRING_CLIP_NORM: Final = 5.0
_STRINGS: Final = {
    "adagrad": keras.optimizers.Adagrad,
    "adam": keras.optimizers.Adam,
    "ftrl": keras.optimizers.Ftrl,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
_REFUSED: Final = {
    "weight_decay": None,
    "use_ema": False,
    "loss_scale_factor": None,
    "gradient_accumulation_steps": None,
    "l2_shrinkage_regularization_strength": 0.0,
}
"""Settings of Keras optimizers that have no counterpart in 2.15, with their neutral values."""


@dataclasses.dataclass(frozen=True)
class OptimizerSpec:
    """An optimizer before it has variables."""

    rule: Rule
    settings: Mapping[str, Any]
    """The Keras config: learning rate (a number or a schedule), betas, epsilon, ..."""


def optimizer_spec(optimizer: Any) -> OptimizerSpec:
    """Reads the ``optimizer`` argument: a string, a Keras 3 optimizer, or a callable giving one.

    A string gives learning rate 0.05 and clips each gradient to the norm 5.0.

    Raises:
        ArgumentError: the string is not known, or the value is something else.
        UnsupportedError: an optimizer of another kind, or with settings that 2.15 had not.
    """
    if isinstance(optimizer, str):
        return _from_keras(_from_string(optimizer))
    if isinstance(optimizer, keras.optimizers.Optimizer):
        return _from_keras(optimizer)
    if callable(optimizer):
        return optimizer_spec(optimizer())
    raise ArgumentError(
        f"optimizer: expected a string ({', '.join(sorted(_STRINGS))}), a Keras optimizer or a "
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
    kind = type(optimizer).__name__
    if kind not in RULES:
        raise UnsupportedError(
            f"optimizer: expected one of the kinds {', '.join(sorted(RULES))}, got {kind}."
        )
    settings = optimizer.get_config()
    for name, neutral in _REFUSED.items():
        if settings.get(name, neutral) != neutral:
            raise UnsupportedError(
                f"optimizer {kind}: {name}={settings[name]!r} is not supported; leave it out."
            )
    if isinstance(settings["learning_rate"], dict):
        schedule = keras.optimizers.schedules.deserialize(settings["learning_rate"])
        settings = {**settings, "learning_rate": schedule}
    return OptimizerSpec(RULES[kind], settings)


class Optimizer:
    """Moves variables along their gradients.

    ``variables`` maps each name in a checkpoint to a slot or hyper-parameter.
    """

    def __init__(self, spec: OptimizerSpec, trainable: Mapping[str, tf.Variable]) -> None:
        self._spec = spec
        self._trainable = dict(trainable)
        prefix = f"training/{spec.rule.name}"
        slots = spec.rule.slots(spec.settings)
        self._slots = {
            name: {
                slot: _state(np.full(variable.shape, start), f"{prefix}/{name}/{slot}")
                for slot, start in slots.items()
            }
            for name, variable in self._trainable.items()
        }
        self._hypers = {
            name: _state(value, f"{prefix}/{name}") for name, value in _hyper_values(spec).items()
        }
        self.variables: dict[str, tf.Variable] = {
            f"{prefix}/{name}": variable for name, variable in self._hypers.items()
        }
        for name, by_slot in self._slots.items():
            for slot, variable in by_slot.items():
                self.variables[f"{prefix}/{name}/{slot}"] = variable

    def apply(self, gradients: Sequence[Any], step: tf.Tensor) -> None:
        """Clips and applies gradients, in the order of ``trainable``.

        Args:
            gradients: a tensor or ``tf.IndexedSlices`` for each variable, or None.
            step: int64, the number of steps before this one.
        """
        at = self._values(step)
        clipped = clip(gradients, self._spec.settings)
        for (name, variable), gradient in zip(self._trainable.items(), clipped, strict=True):
            if gradient is None:
                continue
            if isinstance(gradient, tf.IndexedSlices):
                values, indices = sum_duplicates(gradient)
                self._spec.rule.sparse(variable, self._slots[name], values, indices, at)
            else:
                self._spec.rule.dense(variable, self._slots[name], gradient, at)

    def _values(self, step: tf.Tensor) -> dict[str, Any]:
        at = {**self._spec.settings, **{k: tf.identity(v) for k, v in self._hypers.items()}}
        rate = self._spec.settings["learning_rate"]
        rate = tf.cast(rate(step), tf.float32) if callable(rate) else at["learning_rate"]
        done = tf.cast(step, tf.float32)
        at["learning_rate"] = rate / (1 + at["decay"] * done)
        at["step"] = done + 1
        return at

    def warn_of_changes(self) -> None:
        """Logs each hyper-parameter that a checkpoint brought and that differs from the config."""
        for name, configured in _hyper_values(self._spec).items():
            restored = float(self._hypers[name].numpy())
            if abs(restored - configured) > 1e-6 * max(1.0, abs(configured)):
                logger.warning(
                    "%s of the optimizer is %g, from the checkpoint; the %g of this run is not "
                    "used. Start in an empty model_dir to train with it.",
                    name,
                    restored,
                    configured,
                )


def _state(value: Any, name: str) -> tf.Variable:
    return tf.Variable(np.asarray(value, np.float32), trainable=False, name=name)


def _hyper_values(spec: OptimizerSpec) -> dict[str, float]:
    values = {"decay": 0.0}
    if not callable(spec.settings["learning_rate"]):
        values["learning_rate"] = spec.settings["learning_rate"]
    return {**values, **{name: spec.settings[name] for name in spec.rule.hypers}}


def clip(gradients: Sequence[Any], settings: Mapping[str, Any]) -> list[Any]:
    """Clips by the Keras settings ``clipnorm`` (each), ``clipvalue`` or ``global_clipnorm``."""
    if settings.get("clipnorm"):
        return [_by_norm(gradient, settings["clipnorm"]) for gradient in gradients]
    if settings.get("clipvalue"):
        limit = settings["clipvalue"]
        return [
            _mapped(gradient, lambda g: tf.clip_by_value(g, -limit, limit))
            for gradient in gradients
        ]
    if settings.get("global_clipnorm"):
        return list(tf.clip_by_global_norm(gradients, settings["global_clipnorm"])[0])
    return list(gradients)


def _by_norm(gradient: Any, norm: float) -> Any:
    return None if gradient is None else tf.clip_by_norm(gradient, norm)


def _mapped(gradient: Any, function: Any) -> Any:
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(function(gradient.values), gradient.indices, gradient.dense_shape)
    return None if gradient is None else function(gradient)


def sum_duplicates(gradient: tf.IndexedSlices) -> tuple[tf.Tensor, tf.Tensor]:
    """Values and indices with each index once, the values of equal ones added."""
    indices, positions = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, positions, tf.size(indices))
    return values, indices
