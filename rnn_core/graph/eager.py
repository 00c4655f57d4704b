"""Runs this package eagerly and with the behavior of TensorFlow 2, whatever a program has set.

Programs of TensorFlow 1 begin with ``tf.compat.v1.disable_eager_execution()`` or
``disable_v2_behavior()``, or call an estimator inside of a graph or of a strategy's scope. As in
``tf.estimator``, none of these reaches the model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, NamedTuple, ParamSpec, TypeVar

import tensorflow as tf

_P = ParamSpec("_P")
_R = TypeVar("_R")


class _Switch(NamedTuple):
    """A behavior of TensorFlow 2, which a program may switch off for its whole process."""

    is_on: Callable[[], bool]
    on: Callable[[], None]
    off: Callable[[], None]


def _has_plain_shapes() -> bool:
    return not isinstance(tf.TensorShape([1])[0], tf.compat.v1.Dimension)


_SWITCHES: Final = (
    _Switch(
        _has_plain_shapes,
        tf.compat.v1.enable_v2_tensorshape,
        tf.compat.v1.disable_v2_tensorshape,
    ),
    _Switch(
        tf.compat.v1.control_flow_v2_enabled,
        tf.compat.v1.enable_control_flow_v2,
        tf.compat.v1.disable_control_flow_v2,
    ),
)
# For the process, not for a thread, as the switches of TensorFlow themselves are.
_SWITCHED_ON: Final[list[_Switch]] = []
"""The switches that were off before ``_entered``."""


def eager_mode() -> AbstractContextManager[None]:
    """A context in which operations run at once.

    ``tf.init_scope`` is not enough: it leaves a function's graph, but not a plain ``tf.Graph``, and
    ends in a graph where eager execution is disabled. TensorFlow has no public name for this.
    """
    mode: AbstractContextManager[None] = tf.__internal__.eager_context.eager_mode()
    return mode


@contextmanager
def _entered() -> Iterator[None]:
    # A new graph is the default one, so that no strategy, variable scope or collection of the
    # caller's graph is seen; nothing is built in it.
    with tf.Graph().as_default(), eager_mode():
        found = [switch for switch in _SWITCHES if not switch.is_on()]
        for switch in found:
            switch.on()
        _SWITCHED_ON.extend(found)
        try:
            yield
        finally:
            for switch in found:
                _SWITCHED_ON.remove(switch)
                switch.off()


@contextmanager
def switches_of_caller() -> Iterator[None]:
    """Shapes and control flow as the program has set them, for a function of the program."""
    found = list(_SWITCHED_ON)
    for switch in found:
        switch.off()
    try:
        yield
    finally:
        for switch in found:
            switch.on()


def _eager() -> AbstractContextManager[None]:
    # The usual case costs nothing; a new graph at each call would.
    is_plain = tf.executing_eagerly() and not tf.distribute.has_strategy() and _has_plain_shapes()
    return nullcontext() if is_plain else _entered()


def eagerly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """``function``, run eagerly wherever it is called: in a graph, a scope, or a new thread."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with _eager():
            return function(*args, **kwargs)

    return wrapped


def eagerly_generated(
    function: Callable[_P, Iterator[_R]],
) -> Callable[_P, Generator[_R, None, None]]:
    """The generator ``function``, run eagerly from one value to the next, but not its caller."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> Generator[_R, None, None]:
        values: Any = function(*args, **kwargs)
        end: Any = object()
        try:
            while True:
                with _eager():
                    value: Any = next(values, end)
                if value is end:
                    return
                yield value
        finally:
            with _eager():
                values.close()

    return wrapped
