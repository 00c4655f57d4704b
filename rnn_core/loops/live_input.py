"""Tensors that an ``input_fn`` returns in place of a dataset, evaluated again at each step.

``tf.estimator`` called an ``input_fn`` in a graph, and a step of its session evaluated what it
returned: the next batch of an iterator or of a queue, or other random numbers. A session does the
same here, behind a dataset. Tensors that are the same at each step need none.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.graph.eager import switches_of_caller
from rnn_core.types import Array

_Call: TypeAlias = Callable[[], Any]
"""The ``input_fn`` with its arguments."""

NEEDS_GRAPH: Final = object()
"""In place of a value: the ``input_fn`` cannot be called eagerly."""

_PYTHON: Final = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
_STOP_SECONDS: Final = 10


def value_of(call: _Call) -> Any:
    """What the ``input_fn`` returns when it is called eagerly, or ``NEEDS_GRAPH``."""
    try:
        with switches_of_caller():
            return call()
    except tf.errors.OutOfRangeError:
        # An iterator without a batch: the loops say so better.
        return NEEDS_GRAPH
    except (RuntimeError, AttributeError, NotImplementedError, TypeError, ValueError) as error:
        # What TensorFlow refuses outside of a graph, such as a queue, says so with this word.
        if "eager" not in str(error):
            raise
        return NEEDS_GRAPH


def changing_batches(call: _Call, given: Any, seed: int | None) -> tf.data.Dataset | None:
    """A dataset that evaluates the tensors of the ``input_fn`` again for each batch.

    It ends where an iterator or a queue ends. None: the tensors are the same each time.

    Args:
        call: the ``input_fn`` with its arguments, called again here.
        given: what ``value_of(call)`` gave.
        seed: of the random operations; None: not seeded.

    Raises:
        ArgumentError: the tensors change, or may, and cannot be evaluated again.
    """
    if given is not NEEDS_GRAPH and not any(tf.is_tensor(leaf) for leaf in _leaves(given)):
        return None
    graph = tf.Graph()
    with graph.as_default():
        tf.compat.v1.set_random_seed(seed)
        try:
            with switches_of_caller():
                batch = _tensors(_next_of_dataset(call()))
        except Exception as error:  # of the user's function, which may not be made for a graph
            if given is NEEDS_GRAPH:
                raise
            _require_the_same(call, error)
            return None
        stateful = _stateful(_components(batch))
        if given is not NEEDS_GRAPH and not stateful:
            return None
        session = _Session(graph, batch)
    return session.dataset(_first(given, stateful))


def _next_of_dataset(value: Any) -> Any:
    """``value``, or the next batch if it is a dataset."""
    if not isinstance(value, tf.data.Dataset):
        return value
    return tf.compat.v1.data.make_initializable_iterator(value).get_next()


def _first(given: Any, stateful: Sequence[tf.Operation]) -> list[Array] | None:
    """The batch that was already taken, if it would be lost.

    A Python function goes on where the eager call has left it, unlike an iterator, which the graph
    has made again.
    """
    makes_state = any(out.dtype == tf.resource for op in stateful for out in op.outputs)
    if given is NEEDS_GRAPH or makes_state or not any(op.type in _PYTHON for op in stateful):
        return None
    return [component.numpy() for component in _components(_tensors(given))]


class _Session:
    """The graph of an ``input_fn`` with what it returned.

    Args:
        graph: the default one.
        batch: a structure of tensors of the graph and of None.

    Raises:
        ArgumentError: the batch needs values of placeholders.
    """

    def __init__(self, graph: tf.Graph, batch: Any) -> None:
        self._graph, self._batch = graph, batch
        self._fetches = _components(batch)
        v1 = tf.compat.v1
        self._initial = tf.group(
            v1.global_variables_initializer(),
            v1.local_variables_initializer(),
            v1.tables_initializer(),
            *(op for op in graph.get_operations() if op.type == "MakeIterator"),
        )
        for op in _ancestors([self._initial, *(fetch.op for fetch in self._fetches)]):
            if op.type.startswith("Placeholder"):
                raise ArgumentError(
                    f"input_fn: its placeholder {op.name!r} has no value here. Give the arrays "
                    "themselves to tf.data.Dataset.from_tensor_slices, and return the Dataset."
                )

    def dataset(self, first: Sequence[Array] | None) -> tf.data.Dataset:
        """The batches, each of one evaluation; called eagerly.

        Args:
            first: the components of a batch that comes before them.
        """
        flat = tf.nest.flatten(self._batch, expand_composites=True)
        specs = tf.nest.map_structure(
            lambda value: None if value is None else tf.type_spec_from_value(value), self._batch
        )

        def packed(*components: tf.Tensor) -> Any:
            rest = iter(components)
            values = [None if one is None else next(rest) for one in flat]
            return tf.nest.pack_sequence_as(specs, values, expand_composites=True)

        signature = tuple(tf.TensorSpec(fetch.shape, fetch.dtype) for fetch in self._fetches)
        evaluated = functools.partial(self._evaluated, first)
        return tf.data.Dataset.from_generator(evaluated, output_signature=signature).map(packed)

    def _evaluated(self, first: Sequence[Array] | None) -> Iterator[tuple[Array, ...]]:
        """The components of each batch."""
        if first is not None:
            yield tuple(first)
        # Not a context manager: each value may be asked for by another thread.
        session = tf.compat.v1.Session(graph=self._graph)
        coordinator = tf.train.Coordinator()
        threads: list[Any] = []
        try:
            session.run(self._initial)
            if self._graph.get_collection(tf.compat.v1.GraphKeys.QUEUE_RUNNERS):
                with self._graph.as_default():
                    threads = tf.compat.v1.train.start_queue_runners(session, coordinator)
            while True:
                yield tuple(session.run(self._fetches))
        except tf.errors.OutOfRangeError:
            return
        finally:
            # In this order: closing the session cancels what the threads of the queues wait for, so
            # that they can be joined. Those that still do not end are daemons, and are left behind.
            coordinator.request_stop()
            session.close()
            coordinator.join(threads, _STOP_SECONDS, ignore_live_threads=True)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if not isinstance(value, (tuple, list)):
        yield value
        return
    for one in value:
        yield from _leaves(one)


def _tensors(value: Any, top: bool = True) -> Any:
    """``value`` with tensors of the current graph for numbers; [features, labels] is a tuple."""
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {name: _tensors(one, False) for name, one in value.items()}
    if isinstance(value, tf.compat.v1.SparseTensorValue):
        return tf.SparseTensor.from_value(value)
    if isinstance(value, tuple) or (top and isinstance(value, list)):
        return tuple(_tensors(one, False) for one in value)
    if isinstance(value, (tf.Tensor, tf.SparseTensor, tf.RaggedTensor)):
        return tf.nest.map_structure(_of_graph, value, expand_composites=True)
    return tf.convert_to_tensor(value)


def _of_graph(component: Any) -> tf.Tensor:
    """``component``, a constant if it was made outside of the graph."""
    is_outside = not tf.executing_eagerly() and not tf.is_symbolic_tensor(component)
    return tf.constant(component.numpy()) if is_outside else component


def _components(batch: Any) -> list[Any]:
    flat = tf.nest.flatten(batch, expand_composites=True)
    return [component for component in flat if component is not None]


def _ancestors(operations: Sequence[tf.Operation], with_control: bool = True) -> list[tf.Operation]:
    """``operations`` and all that they are computed from, or only run after."""
    found: dict[str, tf.Operation] = {}
    todo = list(operations)
    while todo:
        op = todo.pop()
        if op.name not in found:
            found[op.name] = op
            todo += [one.op for one in op.inputs]
            todo += list(op.control_inputs) if with_control else []
    return list(found.values())


def _stateful(components: Sequence[tf.Tensor]) -> list[tf.Operation]:
    """The operations whose results may differ each time."""
    # Without those that only run before: assertions count as stateful, but change no value.
    ancestors = _ancestors([component.op for component in components], with_control=False)
    return [op for op in ancestors if op.op_def.is_stateful]


def _require_the_same(call: _Call, error: Exception) -> None:
    """Checks that an ``input_fn`` that no plain graph takes gives the same tensors each time.

    A function's graph takes tensors from outside of it, such as constants of the program.

    Raises:
        ArgumentError: it does not, or that cannot be known.
    """

    def batch() -> list[Any]:
        with switches_of_caller():
            return _components(_tensors(call()))

    try:
        traced = tf.function(batch, autograph=False).get_concrete_function()
        stateful = _stateful(traced.outputs)
    except Exception:  # of the user's function
        stateful = None
    if stateful != []:
        raise ArgumentError(
            "input_fn: expected a Dataset, or tensors that each step can evaluate again, got "
            f"tensors with one value ({str(error).splitlines()[0] if str(error) else error!r}). "
            "Return the tf.data.Dataset itself in place of a batch of its iterator; for the same "
            "batch at each step return tf.data.Dataset.from_tensors(batch).repeat()."
        ) from error
