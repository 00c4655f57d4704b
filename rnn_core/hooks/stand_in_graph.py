"""The graph in which session hooks run, and the evaluation of what they fetch from it.

A hook written for ``tf.estimator`` on TensorFlow 2.15 finds the global step, the variables and the
loss in the default graph, may add operations to it in ``begin``, and fetches by name or by object.
A ``StandInGraph`` holds a stand-in for each of these, and no model. No session ever runs it. A
fetch is cut out of it and imported into a function in which the live variables and the loss of the
batch replace the stand-ins, so that it computes and assigns what the hook expects.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias

import tensorflow as tf

from rnn_core.errors import UnsupportedError
from rnn_core.graph.eager import eager_mode

Element: TypeAlias = Any
"""A ``tf.Tensor`` or a ``tf.Operation`` of the stand-in graph."""

_LOSS_IN_2_15: Final = "head/losses/weighted_loss/value"
"""The name of the loss in the graph of a classifier there."""


class StandInGraph:
    """A graph with stand-ins for ``variables`` (with ``global_step``) and for the loss."""

    def __init__(self, variables: Mapping[str, tf.Variable]) -> None:
        self.graph = tf.Graph()
        self._live = dict(variables)
        self._functions: dict[tuple[str, ...], Callable[..., Any]] = {}
        with self.graph.as_default():
            tf.compat.v1.train.create_global_step()
            for name, variable in variables.items():
                if name != "global_step":
                    # Zeros, never the live values: no session runs the graph, so that nothing reads
                    # them, and a constant would copy each variable into the graph.
                    tf.compat.v1.get_variable(
                        name,
                        shape=variable.shape,
                        dtype=variable.dtype,
                        initializer=tf.compat.v1.zeros_initializer(),
                        trainable=variable.trainable,
                        use_resource=True,
                    )
            self.loss = tf.compat.v1.placeholder(tf.float32, [], name="loss")
            alias = tf.identity(self.loss, name=_LOSS_IN_2_15)
            tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.LOSSES, alias)

    def finish(self) -> None:
        """Makes the variables that hooks created live, and closes the graph to additions."""
        keys = tf.compat.v1.GraphKeys
        with self.graph.as_default():
            made = {
                variable.op.name: variable.initial_value
                for key in (keys.GLOBAL_VARIABLES, keys.LOCAL_VARIABLES)
                for variable in self.graph.get_collection(key)
            }
        # Initial values may depend on the model's variables and are computed now; from here on only
        # the hook's own operations assign to these variables.
        for name in made.keys() - self._live.keys():
            (value,) = self.values([made[name]], {})
            with eager_mode():
                self._live[name] = tf.Variable(value, trainable=False)
        self.graph.finalize()

    def element(self, fetch: Any) -> Element:
        """The element of the graph that ``fetch``, a name or an object, denotes.

        Raises:
            UnsupportedError: the graph has no such element.
        """
        try:
            element = self.graph.as_graph_element(fetch)
        except (KeyError, ValueError, TypeError):
            raise UnsupportedError(
                f"A session hook fetched {fetch!r}, which does not exist without a session. There "
                "are: loss, global_step, the model's variables by name, and what the hook itself "
                "computes from them in begin(). For anything else write a subclass of "
                "rnn_core.Hook, or read it from evaluate or predict."
            ) from None
        # A name without ":0" is that of an operation; what is meant is its value, if it has one.
        if isinstance(element, tf.Operation) and isinstance(fetch, str) and element.outputs:
            element = element.outputs[0]
        if isinstance(element, tf.Tensor) and element.dtype == tf.resource:
            return self._read(element)
        return element

    def _read(self, handle: tf.Tensor) -> Element:
        """The value of the variable of ``handle``, whose name is that of the variable."""
        variables = self.graph.get_collection(tf.compat.v1.GraphKeys.GLOBAL_VARIABLES)
        return self.element(next(one for one in variables if one.handle is handle))

    def needs_loss(self, element: Element) -> bool:
        """Whether ``element`` is computed from the loss."""
        return self.loss.op in _ancestors([element], set())

    def values(self, elements: Sequence[Element], given: Mapping[Element, Any]) -> list[Any]:
        """The value of each element, None for an operation, with ``given`` in place of tensors.

        Raises:
            UnsupportedError: an element needs a placeholder that is not given.
        """
        if not elements:
            return []
        # One function per set of fetches and fed tensors; "<-" separates the two in the key.
        key = (*(one.name for one in elements), "<-", *(one.name for one in given))
        with eager_mode():
            if key not in self._functions:
                self._functions[key] = self._function(elements, list(given))
            values = [tf.constant(value, one.dtype) for one, value in given.items()]
            results = self._functions[key](*values)
        pairs = zip(elements, results, strict=True)
        return [None if isinstance(one, tf.Operation) else value.numpy() for one, value in pairs]

    def _function(self, elements: Sequence[Element], given: Sequence[Element]) -> Any:
        live = dict(self._live)
        cut = {one.op.name for one in given} | live.keys()
        wanted = _ancestors(elements, cut)
        _check_fed(wanted, cut)
        kept = [op for op in wanted if op.name not in cut]
        graph = _only(self.graph.as_graph_def(), {op.name for op in kept})
        consumed = {one.name for op in kept for one in op.inputs}
        names = [one.name for one in elements]

        def compute(*values: tf.Tensor) -> list[Any]:
            known = {one.name: value for one, value in zip(given, values, strict=True)}
            # import_graph_def refuses an input that the imported nodes do not consume.
            inputs = {name: value for name, value in known.items() if name in consumed}
            for name, variable in live.items():
                if f"{name}:0" in consumed:
                    # The handle in place of the stand-in's: reads and assignments are then of the
                    # live variable. The identity brings it into the graph of the function.
                    inputs[f"{name}:0"] = tf.identity(variable.handle)
            made = [name for name in names if name not in known]
            built = tf.graph_util.import_graph_def(graph, inputs, made, name="fetched")
            known |= zip(made, built, strict=True)
            found = [known[name] for name in names]
            # A function runs operations, but can return tensors only: zeros stand for them.
            return [tf.constant(0) if isinstance(one, tf.Operation) else one for one in found]

        return tf.function(compute, autograph=False)


def _ancestors(elements: Sequence[Element], cut: set[str]) -> set[tf.Operation]:
    """The operations that ``elements`` are computed from, but not those that ``cut`` needs."""
    found: set[tf.Operation] = set()
    todo = [one if isinstance(one, tf.Operation) else one.op for one in elements]
    while todo:
        op = todo.pop()
        if op not in found:
            found.add(op)
            if op.name not in cut:
                todo += [one.op for one in op.inputs] + list(op.control_inputs)
    return found


def _check_fed(operations: set[tf.Operation], cut: set[str]) -> None:
    for op in operations:
        if op.type == "Placeholder" and op.name not in cut:
            raise UnsupportedError(
                f"A session hook fetched what is computed from the placeholder {op.name!r}, which "
                "has no value now. The loss has one only in before_run; give a value to one of "
                "your own with session.run(..., feed_dict=...)."
            )


def _only(graph: Any, names: set[str]) -> Any:
    """The nodes of those names, without the colocation constraints that name other nodes."""
    for node in list(graph.node):
        if node.name in names:
            node.attr.pop("_class", None)
        else:
            graph.node.remove(node)
    return graph
