"""All variables that a cell uses, wherever it keeps them.

A cell may be any object: its variables may be attributes, lie in lists, dicts, layers and other
objects, belong to functions that it calls, or be made in its first call. A trace of one step shows
which variables it reads and writes. A walk through the object only gives them names, so that what
the walk misses is found all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, NoReturn

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError, UnsupportedError
from rnn_core.models import cell_protocol
from rnn_core.models.cell_protocol import Cell, UniqueNames, name_of
from rnn_core.models.own_cells.names import Walk, Weight, key_of

_SEED_STATE: Final = "seed_generator_state"
_READS: Final = frozenset(
    ("ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VariableShape", "VarIsInitializedOp")
)
"""Operations on a variable that leave it as it is."""
_READ_ONLY_INPUTS: Final = "_read_only_resource_inputs"
"""What TensorFlow notes on an operation that runs a function: which inputs it only reads."""


class NewVariables:
    """The variables that are made while cells are made and called first, in their order."""

    def __init__(self) -> None:
        self.all: list[tf.Variable] = []
        self._values: dict[int, tf.Tensor] = {}

    @contextmanager
    def collecting(self) -> Iterator[None]:
        """Variables that are made inside are collected."""

        def create(next_creator: Any, **settings: Any) -> tf.Variable:
            variable = next_creator(**settings)
            self.all.append(variable)
            self._keep_value(variable)
            return variable

        with tf.variable_creator_scope(create):
            yield

    def keep_values(self) -> None:
        """Keeps the values that the variables have now, and those that later ones start with."""
        for variable in self.all:
            self._keep_value(variable)

    def restore(self, keys: Iterable[int]) -> None:
        """Gives the variables of these keys the values that were kept."""
        for variable in self.all:
            if key_of(variable) in keys and key_of(variable) in self._values:
                variable.assign(self._values[key_of(variable)])

    def _keep_value(self, variable: tf.Variable) -> None:
        # A graph that is exported has no values; elsewhere nothing is copied until it is written.
        if tf.executing_eagerly():
            self._values[key_of(variable)] = variable.read_value()


class CellVariables(NamedTuple):
    """What a cell is made of."""

    units: int
    """H: the width of its output."""
    weights: list[Weight]
    """What it learns and counts."""
    written: list[tf.Variable]
    """The variables that a step writes, but for the seeds."""
    seeds: list[tf.Variable]
    """int [2]: a seed and a counter, from which a layer of Keras draws its dropout."""
    layers: list[keras.layers.Layer]
    """The layers of Keras in it."""


def _require_single_precision(layers: Iterable[keras.layers.Layer]) -> None:
    # Small gradients become 0 in float16 unless the loss is scaled, which only the training loop of
    # Keras does; and a policy that a program has set for its other models must not reach in here.
    for layer in layers:
        if layer.compute_dtype in ("float16", "bfloat16"):
            raise UnsupportedError(
                f"{name_of(layer)}: expected a cell that computes in float32, got one that does in "
                f"{layer.compute_dtype}, by the policy {layer.dtype_policy.name!r} of its dtype or "
                "of keras.config. Mixed precision is not supported: make the cell with "
                "dtype='float32'."
            )


def find(cell: Cell, width: int, new: NewVariables, stack_names: UniqueNames) -> CellVariables:
    """Builds the cell for inputs [B, ``width``] and finds its variables.

    Args:
        cell: an object with the protocol of a cell.
        width: F.
        new: the variables that were made with the cells; those that are made here are added.
        stack_names: numbers the cells and layers of the stack that the cell is in.

    Raises:
        ArgumentError: the cell cannot be called, makes variables in each call, or is to be exported
          and uses variables that were made outside of it.
        UnsupportedError: it computes in half precision.
    """
    new.keep_values()
    with new.collecting(), _named_capture(cell):
        units = cell_protocol.build(cell, width)
    walk = Walk(cell, stack_names(name_of(cell)), stack_names)
    _require_single_precision(walk.layers)
    known = [*new.all, *(weight.variable for weight in walk.weights)]
    used: dict[int, tf.Variable] = {}
    written: set[int] = set()
    for training in (False, True):
        _trace(cell, width, training, known, used, written)
        for layer in walk.layers:
            cell_protocol.forget_dropout(layer)
    # The first call made what the cell makes in a call; what it wrote there is taken back.
    new.restore(written)
    weights = [one for one in walk.weights if one.is_own or key_of(one.variable) in used]
    named = {key_of(weight.variable) for weight in weights}
    rest = [one for key, one in used.items() if key not in named and not _is_seed(one)]
    return CellVariables(
        units,
        [one for one in weights if not _is_seed(one.variable)] + walk.name_by_variable(rest),
        [one for key, one in used.items() if key in written and not _is_seed(one)],
        [one for one in used.values() if _is_seed(one)],
        walk.layers,
    )


@contextmanager
def _named_capture(cell: Cell) -> Iterator[None]:
    """Says why a cell cannot be called in the graph of an export."""
    try:
        yield
    except RuntimeError as error:
        # TensorFlow's words for an eager variable in a plain graph, which an export is made of.
        if "capture an EagerTensor" not in str(error):
            raise
        raise ArgumentError(
            f"{type(cell).__name__}: expected variables that rnn_cell_fn makes, got one that was "
            "made outside of it, which trains but cannot be exported. Make it in rnn_cell_fn or in "
            "the cell."
        ) from None


def _is_seed(variable: tf.Variable) -> bool:
    return _SEED_STATE in variable.name and not variable.dtype.is_floating


def _trace(
    cell: Cell,
    width: int,
    training: bool,
    known: Iterable[tf.Variable],
    used: dict[int, tf.Variable],
    written: set[int],
) -> None:
    """Adds the variables that a step uses to ``used``, and the keys of some to ``written``."""

    made_here: list[str] = []

    def refuse(next_creator: Any, **settings: Any) -> NoReturn:
        made_here.append(settings.get("name") or "without a name")
        raise ArgumentError("a variable is made in each call")

    def step(batch: tf.Tensor) -> None:
        with tf.variable_creator_scope(refuse):
            states = cell_protocol.initial_states(cell, batch)
            cell_protocol.call(cell, tf.zeros([batch, width]), states, training)

    try:
        traced = tf.function(step, autograph=False).get_concrete_function(tf.constant(1))
    except Exception:
        if not made_here:
            raise
        raise ArgumentError(
            f"{type(cell).__name__}: makes a variable ({made_here[0]}) in each call or in training "
            "only, which would never be trained. Make it once: in __init__, in build, or in the "
            "first call."
        ) from None
    by_key = {key_of(one): one for one in (*traced.variables, *known)}
    for outside, inside in traced.graph.captures:
        # What is no variable, such as a lookup table, is captured too.
        if id(outside) in by_key:
            used.setdefault(id(outside), by_key[id(outside)])
            if not all(_only_reads(operation, inside) for operation in inside.consumers()):
                written.add(id(outside))


def _only_reads(operation: tf.Operation, variable: tf.Tensor) -> bool:
    if operation.type in _READS:
        return True
    try:
        read_only = set(operation.get_attr(_READ_ONLY_INPUTS))
    except ValueError:
        return False
    return all(index in read_only for index, one in enumerate(operation.inputs) if one is variable)
