"""Initial values of variables: the same for one seed and one variable name, on any run.

The random numbers of a variable come from a generator of its own, seeded by the run's seed and the
variable's name, so that adding a layer does not change the initial values of the others.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeAlias

import keras
import numpy as np
import tensorflow as tf

from rnn_core.graph.eager import eager_mode
from rnn_core.types import Array

Initializer: TypeAlias = Callable[[Sequence[int], np.random.Generator], Array]
"""From a shape and the variable's generator to float32 values."""


def generator(name: str, seed: int | None) -> np.random.Generator:
    """The random numbers of the variable ``name``; ``seed=None`` takes fresh entropy."""
    if seed is None:
        return np.random.default_rng()
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def zeros(shape: Sequence[int], _: np.random.Generator) -> Array:
    """Zeros."""
    return np.zeros(shape, np.float32)


def ones(shape: Sequence[int], _: np.random.Generator) -> Array:
    """Ones."""
    return np.ones(shape, np.float32)


def glorot_uniform(shape: Sequence[int], random: np.random.Generator) -> Array:
    """Uniform in +-sqrt(6 / (rows + columns)) for a matrix: Glorot and Bengio 2010, equation 16."""
    limit = np.sqrt(6.0 / (shape[0] + shape[1]))
    return random.uniform(-limit, limit, shape).astype(np.float32)


def he_normal(shape: Sequence[int], random: np.random.Generator) -> Array:
    """Normal with the variance 2 / inputs, of what has ReLU behind it: He et al. 2015.

    The last axis of ``shape`` are the outputs, all others the inputs of each.
    """
    deviation = np.sqrt(2.0 / np.prod(shape[:-1]))
    return (random.standard_normal(shape) * deviation).astype(np.float32)


def orthogonal(shape: Sequence[int], random: np.random.Generator) -> Array:
    """A matrix with orthonormal rows or columns, whichever are fewer: Saxe et al. 2014."""
    rows, columns = shape
    normal = random.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(normal)
    # The signs of r's diagonal make the decomposition unique, and so the distribution uniform.
    q = q * np.sign(np.diag(r))
    return (q.T if rows < columns else q).astype(np.float32)


def from_column(initializer: keras.initializers.Initializer) -> Initializer:
    """The initializer of a feature column, with its own seed if it has one, else with ours."""

    def initialize(shape: Sequence[int], random: np.random.Generator) -> Array:
        seeded = _with_seed(initializer, int(random.integers(2**31)))

        # An eager random operation goes on where its last call ended; a new function starts at the
        # seed.
        @tf.function(autograph=False)
        def draw() -> tf.Tensor:
            # Otherwise the global seed of the process would be mixed in.
            tf.constant(0).graph.seed = None
            return seeded(shape, dtype=tf.float32)

        # Columns of a model that is exported are made while its graph is the default one.
        with eager_mode():
            # Not called as it is: TensorFlow would warn that many functions of a name are traced.
            return draw.get_concrete_function()().numpy()

    return initialize


def _with_seed(
    initializer: keras.initializers.Initializer, seed: int
) -> keras.initializers.Initializer:
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    if "seed" not in config or isinstance(config["seed"], int):
        return initializer
    return type(initializer).from_config({**config, "seed": seed})
