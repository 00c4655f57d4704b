"""The protocol of a cell, Keras's or any object with ``call`` and ``state_size``; and its names.

Keras numbers unnamed cells through the whole process (``lstm_cell_7``). In a checkpoint the numbers
start from 0 in each model, as in each graph of ``tf.estimator``: ``lstm_cell``, ``lstm_cell_1``.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections import Counter
from collections.abc import Callable
from typing import Any, TypeAlias

import keras
import tensorflow as tf

from rnn_core.errors import ArgumentError

Cell: TypeAlias = Any
"""A Keras cell, or any object with the protocol that ``check_cell`` wants."""
CellStates: TypeAlias = list[Any]
"""Of each state a tensor [B, ...], or what ``tf.nest`` packs such tensors in."""


def check_cell(cell: Cell) -> None:
    """Checks that ``cell`` can be called and says how large its states are.

    Raises:
        ArgumentError: it has not ``call`` and ``state_size``.
    """
    missing = [name for name in ("call", "state_size") if not hasattr(cell, name)]
    if missing:
        raise ArgumentError(
            f"Expected a recurrent cell with call, state_size, output_size and get_initial_state, "
            f"got {type(cell).__name__} without {' and '.join(missing)}. Give a Keras cell, such "
            "as keras.layers.LSTMCell, or a class with these."
        )


def build(cell: Cell, width: int) -> int:
    """Makes the weights of the cell for inputs [B, width]; gives the width of its output.

    Raises:
        ArgumentError: the cell cannot be called with such an input.
    """
    build_once(cell, width)
    # A call tells the width of the output, which not every cell has as output_size, and lets cells
    # that create their weights in call() do so.
    try:
        output, _ = call(cell, tf.zeros([1, width]), initial_states(cell, tf.constant(1)), False)
    except (TypeError, ValueError, AttributeError, tf.errors.OpError) as error:
        if isinstance(error, ArgumentError):
            raise
        raise ArgumentError(
            f"{type(cell).__name__}: expected a cell whose call(inputs [B, {width}], states) gives "
            f"(output [B, H], states), got: {error}"
        ) from error
    return int(output.shape[-1])


def build_once(cell: Cell, width: int) -> None:
    """Calls the cell's own ``build`` for inputs [B, width], unless that was done."""
    if hasattr(cell, "build") and not getattr(cell, "built", False):
        cell.build((None, width))
        # Otherwise the first __call__ of a Keras layer would build it a second time.
        if isinstance(cell, keras.layers.Layer):
            cell.built = True


def call(
    cell: Cell, inputs: tf.Tensor, states: CellStates, training: bool
) -> tuple[tf.Tensor, CellStates]:
    """One step: output [B, H] and the states after it, in the structure of those before."""
    function: Callable[..., Any] = cell if callable(cell) else cell.call
    takes_training = "training" in inspect.signature(cell.call).parameters
    if takes_training:
        function = functools.partial(function, training=training)
    if not (takes_training and isinstance(cell, keras.layers.Layer)):
        # Layers inside, such as dropout, take training from the layer around them.
        around: Any = _Around(function)
        function = functools.partial(around, training=training)
    output, after = function(inputs, states)
    return output, tf.nest.pack_sequence_as(states, tf.nest.flatten(after))


class _Around(keras.layers.Layer):
    """Gives the layers that a function calls the ``training`` of this call, as 2.15's model did."""

    def __init__(self, function: Callable[[tf.Tensor, CellStates], Any]) -> None:
        super().__init__(autocast=False, name="around_cell")
        self._function = function

    def call(self, inputs: tf.Tensor, states: CellStates, training: bool = False) -> Any:
        """The result of the function."""
        del training
        return self._function(inputs, states)


def initial_states(cell: Cell, batch: tf.Tensor) -> CellStates:
    """The states before the first step, as a list."""
    first = getattr(cell, "get_initial_state", None)
    if first is None:
        sizes = tf.nest.map_structure(int, cell.state_size)
        made = tf.nest.map_structure(lambda size: tf.zeros([batch, size]), sizes)
    else:
        known = {"inputs": None, "batch_size": batch, "dtype": tf.float32}
        asked = inspect.signature(first).parameters
        made = first(**{name: value for name, value in known.items() if name in asked})
    states = list(made) if isinstance(made, (list, tuple)) else [made]
    return tf.nest.map_structure(tf.convert_to_tensor, states)


def forget_dropout(layer: keras.layers.Layer) -> None:
    """Drops the dropout masks that a cell of Keras keeps over the steps of a sequence."""
    for name in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
        getattr(layer, name, lambda: None)()


class UniqueNames:
    """Numbers a name from its second use on: ``a``, ``a_1``, ``a_2``."""

    def __init__(self) -> None:
        self._uses: Counter[str] = Counter()

    def __call__(self, name: str) -> str:
        """A name that was not given before."""
        number = self._uses[name]
        self._uses[name] += 1
        return f"{name}_{number}" if number else name


def snake_case(name: str) -> str:
    """``SimpleRNNCell`` as ``simple_rnn_cell``."""
    words = re.sub(r"([A-Z]+)([A-Z][a-z])|([a-z0-9])([A-Z])", r"\1\3_\2\4", name.lstrip("_"))
    return words.lower()


def name_of(thing: object) -> str:
    """The name that the user gave, or the class's without a number."""
    of_class = snake_case(type(thing).__name__)
    given = getattr(thing, "name", None)
    if not isinstance(given, str) or re.fullmatch(rf"{of_class}(_\d+)?", given):
        return of_class
    return given


def below(path: str, names: UniqueNames, known: dict[str, str]) -> str:
    """The path of a weight below its cell, with the numbers of the layers on it counted from 0.

    Args:
        path: such as ``my_cell_3/dense_7/kernel``.
        names: gives each layer of the cell its number.
        known: layers that have theirs; this one's are added.
    """
    *layers, weight = path.split("/")[1:]
    for layer in layers:
        if layer not in known:
            known[layer] = names(re.sub(r"_\d+$", "", layer))
    return "/".join([*(known[layer] for layer in layers), weight])
