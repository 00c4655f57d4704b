"""The variables that a function creates while it is traced: each made once, kept by its name.

A ``model_fn`` creates its variables anew at every call, as it did when each call built a graph.
Here the first trace makes them, outside of the graph, and a later trace gets them again.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import random
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import tensorflow as tf

from rnn_core.errors import ModelFnError
from rnn_core.graph import initializers
from rnn_core.types import Array

_Result = TypeVar("_Result")
_V1_STORES: Final = (
    ("__variable_store",),
    ("__varscope",),
    ("__varscope_store",),
    tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES,
)
"""Collections in which TensorFlow remembers variables, for all graphs of a process."""


class TracedVariables:
    """Variables by name, over all traces of one function."""

    def __init__(self, seed: int | None) -> None:
        self.by_name: dict[str, tf.Variable] = {}
        self.local: set[str] = set()
        """Names of those that no checkpoint holds, such as the sums of a metric."""
        self._seed = seed
        self._in_this_trace: dict[str, int] = {}
        self.values: Mapping[str, Array] = {}
        """Of a checkpoint, for variables that are made later."""

    def restore(self, values: Mapping[str, Array]) -> None:
        """Assigns ``values`` to variables; those that are made later start with them."""
        self.values = values
        for name, variable in self.by_name.items():
            if name in values:
                variable.assign(values[name])

    def trace(self, function: Callable[[], _Result]) -> _Result:
        """Calls ``function``, inside of a graph, with its variables kept here.

        In a thread of its own: Keras counts the names that it gives to layers for each thread, and
        so starts anew at every trace.
        """
        graph = tf.compat.v1.get_default_graph()
        self._in_this_trace = {}

        def call() -> _Result:
            create = functools.partial(self._create, graph)
            with graph.as_default(), tf.variable_creator_scope(create):
                for name in _V1_STORES:
                    graph.clear_collection(name)
                with _seeded(self._seed):
                    return function()

        with ThreadPoolExecutor(1) as executor:
            return executor.submit(contextvars.copy_context().run, call).result()

    def _create(
        self, graph: Any, next_creator: Callable[..., tf.Variable], **settings: Any
    ) -> tf.Variable:
        name = self._unique(_scoped((settings.get("name") or "Variable").rstrip("/")))
        if name not in self.by_name:
            self.by_name[name] = self._new(name, next_creator, settings)
        if tf.compat.v1.GraphKeys.LOCAL_VARIABLES in (settings.get("collections") or ()):
            self.local.add(name)
        variable = self.by_name[name]
        if variable.trainable:
            graph.add_to_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES, variable)
        return variable

    def _unique(self, name: str) -> str:
        count = self._in_this_trace.get(name, 0)
        self._in_this_trace[name] = count + 1
        return f"{name}_{count}" if count else name

    def _new(
        self, name: str, next_creator: Callable[..., tf.Variable], settings: Mapping[str, Any]
    ) -> tf.Variable:
        value = self.values.get(name)
        if value is None:
            value = _initial_value(name, settings["initial_value"], self._seed)
        with tf.init_scope():
            return next_creator(**{**settings, "initial_value": value, "collections": None})


def _scoped(name: str) -> str:
    """The name below the current scope; ``get_variable`` gives whole names."""
    scope = tf.get_current_name_scope()
    return name if not scope or name.startswith(f"{scope}/") else f"{scope}/{name}"


def _initial_value(name: str, given: Any, seed: int | None) -> Any:
    if not callable(given):
        return _constant(name, given)
    with tf.init_scope():
        return _drawn(given, int(initializers.generator(name, seed).integers(2**31)))


def _drawn(given: Callable[[], Any], seed: int) -> tf.Tensor:
    @tf.function(autograph=False)
    def draw() -> tf.Tensor:
        tf.constant(0).graph.seed = seed
        return tf.convert_to_tensor(given())

    return draw()


def _constant(name: str, given: Any) -> Any:
    if not tf.is_tensor(given) or not hasattr(given, "graph"):
        return given
    value = tf.get_static_value(given)
    if value is None:
        raise ModelFnError(
            f"Variable {name!r}: its first value depends on a tensor of the batch. Give a constant "
            "or an initializer."
        )
    return value


@contextlib.contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Keras draws the seeds of its initializers from Python's random numbers."""
    if seed is None:
        yield
        return
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
