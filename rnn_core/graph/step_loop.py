"""A loop over batches inside one graph, and what its last step leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import tensorflow as tf

Step: TypeAlias = Callable[[Any], tuple[tf.Tensor, Any]]
"""From a state (tensors in any structure) to whether there was a batch, and the next state."""


def run_steps(step: Step, count: tf.Tensor, state: Any) -> tuple[tf.Tensor, Any]:
    """Up to ``count`` steps, until one finds no batch.

    Args:
        step: traced once.
        count: int32.
        state: the initial one.

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
        # Steps depend on each other through variables: no two may overlap.
        parallel_iterations=1,
    )
    return done, state


def with_next(
    iterator: tf.data.Iterator, function: Callable[[Any], Any], otherwise: Any
) -> tuple[tf.Tensor, Any]:
    """Whether there was a next batch, and ``function`` of it, or else ``otherwise``."""
    # Not get_next, whose error at the end of the input would end the whole call, with the state
    # lost.
    element = iterator.get_next_as_optional()
    found: tuple[tf.Tensor, Any] = tf.cond(
        element.has_value(),
        lambda: (True, function(element.get_value())),
        lambda: (False, otherwise),
    )
    return found


_EMPTY: Final[Mapping[str, int | bytes]] = {tf.int64.name: 0, tf.string.name: b""}
"""What fills a variable before its first value, by dtype."""


class LastValue:
    """A variable that no checkpoint holds; with many replicas it is the value of the first.

    Storing a tensor in it costs a step about a microsecond, whether or not it is read later.

    Args:
        dtype: int64 or string.
        shape: what is known of the shape.
    """

    def __init__(self, dtype: tf.DType, shape: Sequence[int | None]) -> None:
        first = [0 if size is None else size for size in shape]
        self._variable = tf.Variable(
            tf.fill(first, tf.constant(_EMPTY[dtype.name], dtype)),
            trainable=False,
            shape=tf.TensorShape(shape),
            # Each replica has its own, and no step waits to bring them together.
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )

    def put(self, value: tf.Tensor) -> None:
        """Replaces the value, while a step runs."""
        self._variable.assign(value)

    def get(self) -> Any:
        """The value that was put last, an array or ``bytes``; empty before the first."""
        return self._variable.numpy()
