"""Four steps with ``tf.keras.optimizers.legacy`` on 2.15 and ``keras.optimizers`` here."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

STEPS, ROWS, WIDTH = 4, 4, 2
_RANDOM = np.random.default_rng(2)
START = _RANDOM.normal(size=(ROWS, WIDTH)).astype(np.float32)
DENSE = _RANDOM.normal(size=(STEPS, ROWS, WIDTH)).astype(np.float32) * 3
INDICES = ((2, 0, 2), (0, 1, 0), (2, 2, 2), (1, 0, 2))
"""Rows with two parts, rows that rest for a step, and one that never moves."""


def gradients(sparse: bool) -> list[Any]:
    """A gradient for each step."""
    if not sparse:
        return [tf.constant(value) for value in DENSE]
    return [
        tf.IndexedSlices(tf.constant(value[:3]), tf.constant(rows), tf.constant([ROWS, WIDTH]))
        for value, rows in zip(DENSE, INDICES, strict=True)
    ]


class Case(NamedTuple):
    """A kind with its settings; ``schedule`` is a kind of schedule with its arguments."""

    kind: str
    settings: dict[str, Any]
    schedule: tuple[str, tuple[Any, ...]] | None = None
    decay: float = 0.0
    """Known to 2.15 alone; here it comes from a checkpoint."""

    def optimizer(self, optimizers: Any, schedules: Any, **more: Any) -> Any:
        """The optimizer of a module of optimizers."""
        rate = 0.1
        if self.schedule is not None:
            kind, arguments = self.schedule
            rate = getattr(schedules, kind)(*arguments)
        return getattr(optimizers, self.kind)(learning_rate=rate, **self.settings, **more)


CASES = {
    "sgd": Case("SGD", {}),
    "sgd momentum": Case("SGD", {"momentum": 0.9}),
    "sgd nesterov": Case("SGD", {"momentum": 0.9, "nesterov": True}),
    "adagrad": Case("Adagrad", {}),
    "adagrad start": Case("Adagrad", {"initial_accumulator_value": 0.5, "epsilon": 0.1}),
    "adam": Case("Adam", {}),
    "adam amsgrad": Case("Adam", {"amsgrad": True, "beta_1": 0.8, "beta_2": 0.9}),
    "rmsprop": Case("RMSprop", {}),
    "rmsprop centered": Case("RMSprop", {"centered": True, "rho": 0.8}),
    "rmsprop momentum": Case("RMSprop", {"momentum": 0.9}),
    "rmsprop both": Case("RMSprop", {"momentum": 0.9, "centered": True}),
    "ftrl": Case("Ftrl", {}),
    "ftrl l1 l2": Case(
        "Ftrl",
        {"l1_regularization_strength": 0.1, "l2_regularization_strength": 0.2, "beta": 0.3},
    ),
    "ftrl shrinkage": Case(
        "Ftrl", {"l2_shrinkage_regularization_strength": 0.1, "learning_rate_power": -0.6}
    ),
    "clipnorm": Case("SGD", {"clipnorm": 2.0}),
    "clipvalue": Case("SGD", {"clipvalue": 1.0}),
    "global clipnorm": Case("SGD", {"global_clipnorm": 2.0}),
    "exponential": Case("SGD", {}, ("ExponentialDecay", (0.1, 2, 0.5, True))),
    "inverse time": Case("Adam", {}, ("InverseTimeDecay", (0.1, 1, 0.5))),
    "piecewise": Case("Adagrad", {}, ("PiecewiseConstantDecay", ([1, 2], [0.1, 0.2, 0.3]))),
    "polynomial": Case("Ftrl", {}, ("PolynomialDecay", (0.1, 3, 0.01, 2.0))),
    "cosine": Case("RMSprop", {}, ("CosineDecay", (0.1, 3))),
    "decay": Case("Adagrad", {}, decay=0.5),
    "decay momentum": Case("SGD", {"momentum": 0.5}, decay=0.2),
}
