"""Work on batch after batch inside one graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import tensorflow as tf

Step: TypeAlias = Callable[[Any], tuple[tf.Tensor, Any]]
"""From a state (tensors in any structure) to whether there was a batch, and the next state."""


def run_steps(step: Step, count: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
    """Up to ``count`` steps, until one finds no batch.

    Args:
        step: traced once.
        count: int32.
        state: the first one.

    Returns:
        How many steps had a batch, int32, and the last state.
    """

    def body(done: tf.Tensor, _: tf.Tensor, state: Any) -> tuple[Any, ...]:
        moved, state = step(state)
        return done + tf.cast(moved, tf.int32), moved, state

    done, _, state = tf.while_loop(
        lambda done, more, _: (done < count) & more,
        body,
        (tf.constant(0), tf.constant(True), state),
        parallel_iterations=1,
    )
    return done, state


def with_next(
    iterator: Any, function: Callable[[Any], Any], otherwise: Any
) -> tuple[tf.Tensor, Any]:
    """Whether there was a next batch, and ``function`` of it, or else ``otherwise``."""
    element = iterator.get_next_as_optional()
    found: tuple[tf.Tensor, Any] = tf.cond(
        element.has_value(),
        lambda: (True, function(element.get_value())),
        lambda: (False, otherwise),
    )
    return found
