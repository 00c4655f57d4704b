"""The names of a cell's variables in a checkpoint, from where the cell keeps them.

They do not depend on what the process did before: in a checkpoint the layers of a cell are numbered
from 0, and what is no layer's is named by its attributes. As in 2.15, a layer of Keras that a plain
object holds has its name below ``rnn``, without one of the object.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, NamedTuple

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError
from rnn_core.models.cell_protocol import Cell, UniqueNames, below
from rnn_core.models.own_cells.wrappers import WrappedCell

_LIBRARIES: Final = frozenset(("builtins", "keras", "numpy", "tensorflow"))
"""What their objects keep is theirs; a cell's variables are in objects of its author's."""
_OF_EVERY_LAYER: Final = frozenset(vars(keras.layers.Layer()))
_OWN_PREFIX: Final = "_self_"
"""Attributes in which TensorFlow tracks what an object holds."""
_SIMPLE: Final = (str, bytes, int, float, complex, type(None))

Path = tuple[str, ...]
"""The attributes, keys and indices that lead to a variable."""


class Weight(NamedTuple):
    """A variable of a cell."""

    name: str
    """Below the scope of the recurrent layers."""
    variable: tf.Variable
    trainable: bool
    is_own: bool = True
    """Whether the cell itself lists it, so that it is kept even if no step reads it."""


def key_of(variable: tf.Variable) -> int:
    """What tells variables apart: ``==`` would compare values."""
    return id(variable.handle)


class Walk:
    """Finds and names the variables that can be reached from a cell.

    Args:
        cell: the cell, built.
        name: of the cell, before the names of its variables.
        stack_names: numbers the cells and layers of the stack that the cell is in.
    """

    def __init__(self, cell: Cell, name: str, stack_names: UniqueNames) -> None:
        self.weights: list[Weight] = []
        self.layers: list[keras.layers.Layer] = []
        """Layers of Keras 3."""
        self._name = name
        # The layers of a cell that is none itself are named beside the cells.
        is_layer = isinstance(cell, keras.layers.Layer | WrappedCell)
        self._layers_below = f"{name}/" if is_layer else ""
        self._layer_names = UniqueNames() if is_layer else stack_names
        self._names = self._layer_names if is_layer else UniqueNames()
        self._known_layers: dict[str, str] = {}
        self._keys: set[int] = set()
        self._seen: dict[int, Any] = {}
        self._cell = cell
        self._visit_cell(cell)

    def name_by_variable(self, variables: Iterable[tf.Variable]) -> list[Weight]:
        """Weights that cannot be reached from the cell, named as TensorFlow named the variables."""
        made = []
        for variable in variables:
            name = self._layer_path(variable.name.split(":")[0].split("/"))
            full = f"{self._name}/{self._names(name)}"
            made.append(Weight(full, variable, _can_be_trained(variable)))
        return made

    def _visit_cell(self, cell: Cell) -> None:
        if isinstance(cell, WrappedCell):
            self._seen[id(cell)] = cell
            self._visit_cell(cell.cell)
        elif isinstance(cell, keras.layers.Layer):
            self._visit(cell, (), True)
        elif isinstance(cell, tf.Module):
            for variable in cell.variables:
                self._add(f"{self._name}/{self._names(variable.name.split(':')[0])}", variable)
            self._visit(cell, (), True)
        else:
            for name, value in getattr(cell, "__dict__", {}).items():
                if isinstance(value, tf.Variable):
                    self._add(f"{self._name}/{self._names(name)}", value)
            self._visit(cell, (), True)

    def _add(
        self, name: str, variable: tf.Variable, trainable: bool = True, is_own: bool = True
    ) -> None:
        key = key_of(variable)
        if key not in self._keys:
            self._keys.add(key)
            trained = trainable and _can_be_trained(variable)
            self.weights.append(Weight(name, variable, trained, is_own))

    def _visit(self, thing: Any, path: Path, trainable: bool) -> None:
        if isinstance(thing, _SIMPLE) or id(thing) in self._seen:
            return
        # Kept, so that no other object gets its id.
        self._seen[id(thing)] = thing
        if isinstance(thing, keras.Variable):
            self._add_by_path(path, thing.value, trainable and thing.trainable)
        elif isinstance(thing, tf.Variable):
            self._add_by_path(path, thing, trainable)
        elif isinstance(thing, keras.layers.Layer):
            self._visit_layer(thing, path, trainable)
        else:
            self._check_no_dropout_wrapper(thing)
            for name, part in _parts(thing):
                self._visit(part, (*path, _plain(name)), trainable)

    def _add_by_path(self, path: Path, variable: tf.Variable, trainable: bool) -> None:
        key = key_of(variable)
        if key not in self._keys:
            name = self._names("/".join(path) or "variable")
            self._add(f"{self._name}/{name}", variable, trainable, is_own=False)

    def _visit_layer(self, layer: keras.layers.Layer, path: Path, trainable: bool) -> None:
        self.layers.append(layer)
        is_cell = not path
        trained = {id(weight) for weight in layer.trainable_weights} if trainable else set()
        for weight in layer.weights:
            if key_of(weight.value) in self._keys:
                continue
            if is_cell:
                inside = below("/".join(_from(layer, weight)), self._names, self._known_layers)
                name = f"{self._name}/{self._names(inside)}"
            else:
                inside = self._layer_path(_from(layer, weight))
                name = self._layers_below + self._layer_names(inside)
            self._add(name, weight.value, id(weight) in trained, is_own=is_cell)
        for attribute, part in _parts(layer):
            if attribute not in _OF_EVERY_LAYER:
                self._visit(part, (*path, _plain(attribute)), trainable and layer.trainable)

    def _layer_path(self, parts: Sequence[str]) -> str:
        return below("/".join(["", *parts]), self._layer_names, self._known_layers)

    def _check_no_dropout_wrapper(self, thing: Any) -> None:
        if isinstance(thing, tf.nn.RNNCellDropoutWrapper):
            raise ArgumentError(
                f"{type(self._cell).__name__} holds a tf.nn.RNNCellDropoutWrapper, which would "
                "also drop in evaluation and prediction. Put the wrapper around the cell, or use "
                "keras.layers.Dropout inside of it."
            )


def _can_be_trained(variable: tf.Variable) -> bool:
    # A tf.Variable is trainable unless it says otherwise, also one that counts in whole numbers.
    return bool(variable.trainable) and variable.dtype.is_floating


def _from(layer: keras.layers.Layer, weight: keras.Variable) -> list[str]:
    """The path of a weight from its layer on: it may begin with the layer that built this one."""
    parts: list[str] = weight.path.split("/")
    return parts[parts.index(layer.name) :] if layer.name in parts else parts


def _plain(name: object) -> str:
    return re.sub(r"[^\w.-]+", "_", str(name))


def _parts(thing: Any) -> Iterator[tuple[object, Any]]:
    """What a thing holds, by name, in an order that is always the same."""
    if isinstance(thing, Mapping):
        yield from thing.items()
    elif isinstance(thing, AbstractSet):
        yield from enumerate(sorted(thing, key=lambda one: str(getattr(one, "name", ""))))
    elif isinstance(thing, Sequence):
        yield from enumerate(thing)
    elif isinstance(thing, functools.partial):
        yield from enumerate((thing.func, *thing.args))
        yield from thing.keywords.items()
    elif inspect.ismethod(thing):
        yield "self", thing.__self__
    elif inspect.isfunction(thing):
        yield from _of_function(thing)
    elif hasattr(thing, "python_function"):  # what tf.function makes
        yield from _parts(thing.python_function)
    elif isinstance(thing, type) or type(thing).__module__.split(".")[0] not in _LIBRARIES:
        yield from _of_object(thing)


def _of_function(function: Any) -> Iterator[tuple[object, Any]]:
    """What a function refers to: its closure, its defaults, and global variables and layers."""
    found = inspect.getclosurevars(inspect.unwrap(function))
    yield from found.nonlocals.items()
    held = (tf.Variable, keras.Variable, keras.layers.Layer, tf.Module, list, dict, tuple)
    for name, value in found.globals.items():
        if isinstance(value, held):
            yield name, value
    yield from enumerate(function.__defaults__ or ())
    yield from (function.__kwdefaults__ or {}).items()


def _of_object(thing: Any) -> Iterator[tuple[object, Any]]:
    """What an object and the classes of its author hold."""
    if isinstance(thing, type):
        return
    attributes = dict(getattr(thing, "__dict__", {}))
    classes = [c for c in type(thing).__mro__ if c.__module__.split(".")[0] not in _LIBRARIES]
    for one in classes:
        for name in getattr(one, "__slots__", ()):
            if hasattr(thing, name):
                attributes[name] = getattr(thing, name)
    yield from (item for item in attributes.items() if not item[0].startswith(_OWN_PREFIX))
    for one in classes:
        for name, value in vars(one).items():
            function = value.fget if isinstance(value, property) else value
            function = getattr(function, "__func__", function)
            if inspect.isfunction(function):
                yield from _of_function(function)
            elif not name.startswith("__") and not inspect.isclass(function):
                yield name, function
