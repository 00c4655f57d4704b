"""The variables that a function creates while it is traced: each made once, kept by its name.

A ``model_fn`` creates its variables at every call, as when each call built a graph of its own.
Here the first trace makes them, outside of the graph, and a later trace gets the same ones.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import tensorflow as tf

from rnn_core.errors import ModelFnError
from rnn_core.graph import initializers
from rnn_core.graph.eager import eagerly
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
        """How often each name was asked for."""
        self.values: Mapping[str, Array] = {}
        """Of a checkpoint, by name; a variable that is made later starts with its value."""

    def restore(self, values: Mapping[str, Array]) -> None:
        """Assigns ``values`` to variables; those that are made later start with them."""
        self.values = values
        for name, variable in self.by_name.items():
            if name in values:
                variable.assign(values[name])

    def trace(self, function: Callable[[], _Result], known: Sequence[tf.Variable] = ()) -> _Result:
        """Calls ``function``, inside of a graph, with its variables kept here.

        Variables that are created by their names must get the same names in every trace, and so
        everything that counts names starts from zero here.

        Args:
            function: creates its variables, or reads those that are ``known``.
            known: variables that are kept elsewhere.

        Raises:
            ModelFnError: it reads a variable that was made outside of it.
        """
        graph = tf.compat.v1.get_default_graph()
        self._in_this_trace = {}

        def call() -> _Result:
            create = functools.partial(self._create, graph)
            with graph.as_default(), tf.variable_creator_scope(create):
                # get_variable() and scopes look here, where an earlier trace of the same process
                # has left its variables: they would be reused, or names would get a number.
                for name in _V1_STORES:
                    graph.clear_collection(name)
                with _seeded(self._seed):
                    result = function()
            self._require_own(graph, known)
            return result

        # Keras counts the names of layers per thread: in a new thread it starts from zero. The
        # context is copied because a thread does not inherit it; nor is a thread eager where the
        # program has disabled that.
        with ThreadPoolExecutor(1) as executor:
            return executor.submit(contextvars.copy_context().run, eagerly(call)).result()

    def _require_own(self, graph: tf.Graph, known: Sequence[tf.Variable]) -> None:
        """Raises ModelFnError if the graph uses a variable that no checkpoint would hold."""
        own = {id(variable.handle) for variable in (*self.by_name.values(), *known)}
        # What a function read, also in branches and loops; the attribute has no public name.
        used = sorted(getattr(graph, "_watched_variables", ()), key=lambda one: str(one.name))
        foreign = [one for one in used if id(one.handle) not in own]
        if foreign:
            shown = ", ".join(f"{one.name.split(':')[0]} {list(one.shape)}" for one in foreign[:5])
            raise ModelFnError(
                f"model_fn uses variables that were made outside of it: {shown}. No checkpoint "
                "would hold them. Make layers, optimizers and variables inside of model_fn."
            )

    def _create(
        self, graph: tf.Graph, next_creator: Callable[..., tf.Variable], **settings: Any
    ) -> tf.Variable:
        name = _scoped((settings.get("name") or "Variable").rstrip("/"))
        # As a graph does, from the second use on: a, a_1, a_2.
        count = self._in_this_trace.get(name, 0)
        self._in_this_trace[name] = count + 1
        name = f"{name}_{count}" if count else name
        if name not in self.by_name:
            self.by_name[name] = self._new(name, next_creator, settings)
        if tf.compat.v1.GraphKeys.LOCAL_VARIABLES in (settings.get("collections") or ()):
            self.local.add(name)
        variable = self.by_name[name]
        # The creator below makes the variable outside of the graph, so the collection that
        # tf.compat.v1.trainable_variables() reads has to be filled by hand.
        if variable.trainable:
            graph.add_to_collection(tf.compat.v1.GraphKeys.TRAINABLE_VARIABLES, variable)
        return variable

    def _new(
        self, name: str, next_creator: Callable[..., tf.Variable], settings: Mapping[str, Any]
    ) -> tf.Variable:
        value = self.values.get(name)
        if value is None:
            value = _initial_value(name, settings["initial_value"], self._seed)
        # Outside of the graph of this trace, which the variable outlives.
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
    # The seed of the function's graph, not the process's: an initializer without a seed of its own
    # then draws the same values for one variable name, whatever was drawn before.
    @tf.function(autograph=False)
    def draw() -> tf.Tensor:
        tf.constant(0).graph.seed = seed
        return tf.convert_to_tensor(given())

    # Not called as it is: TensorFlow would warn that many functions of this name are traced.
    return draw.get_concrete_function()()


def _constant(name: str, given: Any) -> Any:
    # A tensor of the traced graph cannot be read outside of it, where the variable is made.
    if not tf.is_tensor(given) or not hasattr(given, "graph"):
        return given
    value = tf.get_static_value(given)
    if value is None:
        raise ModelFnError(
            f"Variable {name!r}: its initial value depends on a tensor of the batch. Give a "
            "constant or an initializer."
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
