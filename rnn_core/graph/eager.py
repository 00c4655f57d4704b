"""Out of a graph that somebody else has made the default one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

_P = ParamSpec("_P")
_R = TypeVar("_R")


def eager_mode() -> Any:
    """A context in which operations run at once; ``tf.init_scope`` leaves no plain graph."""
    return tf.__internal__.eager_context.eager_mode()


def eagerly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """``function``, which a session hook may call while its graph is the default one."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if tf.executing_eagerly():
            return function(*args, **kwargs)
        with eager_mode():
            return function(*args, **kwargs)

    return wrapped
