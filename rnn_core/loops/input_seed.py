"""The seed of the random operations that an ``input_fn`` makes without a seed of their own.

It is saved with the position in the input: a restart makes the same dataset, down to the order of
a ``shuffle`` without a seed.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Final

import tensorflow as tf

_LIMIT: Final = 2**31


def new_seed(tf_random_seed: int | None, step: int, workers: int) -> int | None:
    """The seed of an input that is read from its start.

    Args:
        tf_random_seed: that of ``RunConfig``; None takes fresh entropy.
        step: the global step that the training starts at: a later training draws other numbers.
        workers: how many read the input. Without ``tf_random_seed`` many have no seed in common,
            and so get None.
    """
    if tf_random_seed is not None:
        # A text is hashed with SHA-512 to seed it: the same numbers in every process, unlike
        # `hash()`.
        return random.Random(f"{tf_random_seed} {step}").randrange(1, _LIMIT)
    return random.SystemRandom().randrange(1, _LIMIT) if workers == 1 else None


@contextlib.contextmanager
def seeded(seed: int | None) -> Iterator[int | None]:
    """TensorFlow's global seed is ``seed`` inside, unless the program has set one.

    Yields:
        ``seed``, or None if there is none, or one of the program.
    """
    if seed is None or _global_seed() is not None:
        yield None
        return
    tf.random.set_seed(seed)
    try:
        yield seed
    finally:
        # An input_fn may have set a seed for the rest of its program.
        if _global_seed() == seed:
            tf.random.set_seed(None)


def _global_seed() -> int | None:
    # TensorFlow has no function for it, but each new graph has it.
    seed: int | None = tf.function(lambda: None, autograph=False).get_concrete_function().graph.seed
    return seed
