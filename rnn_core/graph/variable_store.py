"""The variables of a network, by the names that they have in a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from rnn_core.graph import initializers


class VariableStore:
    """Makes variables by name, each with initial values from the seed and its name."""

    def __init__(self, seed: int | None) -> None:
        self.seed = seed
        self.variables: dict[str, tf.Variable] = {}
        self.trainable: dict[str, tf.Variable] = {}

    def create(
        self,
        name: str,
        shape: Sequence[int],
        initializer: initializers.Initializer,
        trainable: bool = True,
    ) -> tf.Variable:
        """The float32 variable ``name``, made if there is none yet."""
        if name not in self.variables:
            value = initializer(shape, initializers.generator(name, self.seed))
            variable = tf.Variable(value, trainable=trainable, dtype=tf.float32, name=name)
            self.adopt(name, variable, trainable)
        return self.variables[name]

    def adopt(self, name: str, variable: tf.Variable, trainable: bool) -> None:
        """Keeps a variable that was made elsewhere under ``name``."""
        self.variables[name] = variable
        if trainable:
            self.trainable[name] = variable
