"""Optimizers whose steps and state are those of TensorFlow 2.15: the five kinds of the estimator.

Slots are saved as ``training/<Kind>/<variable>/<slot>`` and hyper-parameters as
``training/<Kind>/<name>``; the iterations are the global step. How each kind moves a variable is in
``update_rules``.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from rnn_core.optimizers.global_step import RateFunction
from rnn_core.optimizers.gradients import Gradient, clip, sum_duplicates
from rnn_core.optimizers.update_rules import Rule

logger = logging.getLogger("rnn_core")


@dataclasses.dataclass(frozen=True)
class RuleSpec:
    """One of the five kinds with its settings."""

    rule: Rule
    settings: Mapping[str, Any]
    """The arguments of the Keras class: the learning rate (a ``Rate``), betas, epsilon, ..."""

    def make(self, trainable: Mapping[str, tf.Variable]) -> RuleOptimizer:
        """An optimizer of the variables."""
        return RuleOptimizer(self, trainable)


class RuleOptimizer:
    """Moves variables along their gradients.

    ``variables`` maps each name in a checkpoint to a slot or hyper-parameter.
    """

    def __init__(self, spec: RuleSpec, trainable: Mapping[str, tf.Variable]) -> None:
        self._spec = spec
        self._trainable = dict(trainable)
        prefix = f"training/{spec.rule.name}"
        slots = spec.rule.slots(spec.settings)
        self._slots = {
            name: {
                slot: _state(tf.fill(variable.shape, start), f"{prefix}/{name}/{slot}")
                for slot, start in slots.items()
            }
            for name, variable in self._trainable.items()
        }
        self._hypers = {
            name: _state(float(value), f"{prefix}/{name}")
            for name, value in _hyper_values(spec).items()
        }
        self.variables: dict[str, tf.Variable] = {
            f"{prefix}/{name}": variable for name, variable in self._hypers.items()
        }
        for name, by_slot in self._slots.items():
            for slot, variable in by_slot.items():
                self.variables[f"{prefix}/{name}/{slot}"] = variable

    def apply(self, gradients: Sequence[Gradient | None], step: tf.Tensor) -> None:
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
        done = tf.cast(step, tf.float32)
        # 2.15 alone could be given a decay; here it comes with a checkpoint of 2.15.
        at["learning_rate"] = self._rate(step, done) / (1 + at["decay"] * done)
        at["step"] = done + 1
        return at

    def _rate(self, step: tf.Tensor, done: tf.Tensor) -> tf.Tensor:
        rate = self._spec.settings["learning_rate"]
        if isinstance(rate, RateFunction):
            return tf.cast(rate.at(step), tf.float32)
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            return tf.cast(rate(done), tf.float32)
        return self._hypers["learning_rate"]

    def warn_of_changes(self) -> None:
        """Logs each hyper-parameter that a checkpoint brought and that differs from the config."""
        for name, configured in _hyper_values(self._spec).items():
            warn_of_change(name, self._hypers[name], configured)


def warn_of_change(name: str, variable: tf.Variable, configured: float) -> None:
    """Logs a hyper-parameter if a checkpoint brought another value than the configured one."""
    restored = float(variable.numpy())
    if abs(restored - configured) > 1e-6 * max(1.0, abs(configured)):
        logger.warning(
            "%s of the optimizer is %g, from the checkpoint; the %g of this run is not used. Start "
            "in an empty model_dir to train with it.",
            name,
            restored,
            configured,
        )


def _state(value: Any, name: str) -> tf.Variable:
    return tf.Variable(value, trainable=False, dtype=tf.float32, name=name)


def _hyper_values(spec: RuleSpec) -> dict[str, float]:
    values = {"decay": 0.0}
    if isinstance(spec.settings["learning_rate"], float):
        values["learning_rate"] = spec.settings["learning_rate"]
    return {**values, **{name: spec.settings[name] for name in spec.rule.hypers}}
