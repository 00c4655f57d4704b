"""Leaves a graph that other code has made the default one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import ParamSpec, TypeVar

import tensorflow as tf

_P = ParamSpec("_P")
_R = TypeVar("_R")


def eager_mode() -> AbstractContextManager[None]:
    """A context in which operations run at once.

    ``tf.init_scope`` is not enough: it leaves a function's graph, but not a plain ``tf.Graph``.
    """
    mode: AbstractContextManager[None] = tf.__internal__.eager_context.eager_mode()
    return mode


def eagerly(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """``function``, run eagerly even if a hook calls it inside of the graph of a session."""

    @functools.wraps(function)
    def wrapped(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        if tf.executing_eagerly():
            return function(*args, **kwargs)
        with eager_mode():
            return function(*args, **kwargs)

    return wrapped
