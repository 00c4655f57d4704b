"""Recurrent layers made of any cells, with gradients by automatic differentiation.

At a padded step states and output are carried on, as in ``keras.layers.RNN``; before the first
real step the output is zero. Dropout of Keras cells is drawn once per sequence, from the run's seed
and the global step, so that a resumed run draws the numbers that an uninterrupted one would have.
What cells write, such as counters and moving averages, only training changes for good.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import keras
import tensorflow as tf

from rnn_core.models import cell_protocol
from rnn_core.models.blocks.pooling import pooled
from rnn_core.models.cell_protocol import Cell, CellStates, UniqueNames
from rnn_core.models.own_cells import variables, wrappers
from rnn_core.models.own_cells.names import key_of
from rnn_core.models.own_cells.variables import NewVariables
from rnn_core.names import LayerOutput

_DRAWS_PER_STEP: Final = 1024
"""Added to the counters of random numbers per training step; more than a step draws."""


class CustomCellLayers:
    """Cells on top of each other.

    Args:
        cells: objects with the protocol of a cell, lowest first.
        scope: put before the names of their weights.
        width: F of the input.
        adopt: called with the name and the variable of each weight, and whether it is trained.
        new: the variables that were made with the cells.
        names: numbers the cells and layers of the stack that the cells are in.
        adopted: the keys of the variables that the stack has handed to ``adopt``.

    Raises:
        ArgumentError: one has not the protocol, or its variables cannot be found.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        scope: str,
        width: int,
        adopt: Callable[[str, tf.Variable, bool], None],
        new: NewVariables | None = None,
        names: UniqueNames | None = None,
        adopted: set[int] | None = None,
    ) -> None:
        self._cells = list(cells)
        self._seeds: list[tuple[tf.Variable, int]] = []
        self._written: list[tf.Variable] = []
        self._layers: list[keras.layers.Layer] = []
        self.written: Sequence[str] = ()
        """The names of the variables that a step of a cell writes."""
        names = UniqueNames() if names is None else names
        adopted = set() if adopted is None else adopted
        for cell in self._cells:
            found = variables.find(cell, width, new or NewVariables(), names)
            width = found.units
            for name, variable, trainable, _ in found.weights:
                # Cells may share a variable: it has one name, and is moved once.
                if key_of(variable) not in adopted:
                    adopted.add(key_of(variable))
                    adopt(f"{scope}/{name}", variable, trainable)
                    if any(variable is one for one in found.written):
                        self.written = (*self.written, f"{scope}/{name}")
            self._written += found.written
            self._seeds += [(one, _first_seed(one)) for one in found.seeds]
            self._layers += found.layers
        self.units = width
        """H of the last cell."""

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        output: LayerOutput,
    ) -> tf.Tensor:
        """Outputs of the last cell; see ``recurrent_layers.RecurrentLayers``."""
        # A graph that is exported runs nothing that its outputs do not need, and so writes nothing.
        restores = training_step is None and tf.inside_function()
        before = [one.read_value() for one in self._written] if restores else []
        if training_step is not None:
            self._seed(training_step)
        steps, real = tf.transpose(values, [1, 0, 2]), tf.transpose(mask)[:, :, tf.newaxis]
        states = [cell_protocol.initial_states(cell, tf.shape(steps)[1]) for cell in self._cells]
        outputs = _scan(
            lambda t, x, states: self._step(t, x, states, training_step), steps, real, states
        )
        for layer in self._layers:
            cell_protocol.forget_dropout(layer)
        if before:
            with tf.control_dependencies([outputs]):
                for variable, value in zip(self._written, before, strict=True):
                    variable.assign(value)
        if output == "last":
            return outputs[-1]
        outputs = tf.transpose(outputs, [1, 0, 2])
        return outputs if output == "steps" else pooled(outputs, mask, output)

    def _step(
        self, t: tf.Tensor, x: tf.Tensor, states: CellStates, training_step: tf.Tensor | None
    ) -> tuple[tf.Tensor, CellStates]:
        after = []
        with wrappers.at_step(training_step, t):
            for cell, before in zip(self._cells, states, strict=True):
                x, new = cell_protocol.call(cell, x, before, training_step is not None)
                after.append(new)
        return tf.cast(x, tf.float32), after

    def _seed(self, training_step: tf.Tensor) -> None:
        drawn = tf.cast(training_step, tf.int64) * _DRAWS_PER_STEP
        for state, seed in self._seeds:
            state.assign(tf.cast(tf.stack([tf.constant(seed, tf.int64), drawn]), state.dtype))


def _first_seed(state: tf.Variable) -> int:
    """The seed of a layer, before anything is drawn."""
    # In a graph that is exported no variable has a value; what it draws is not reproducible.
    return int(state.numpy()[0]) if tf.executing_eagerly() else random.getrandbits(31)


def _scan(
    step: Callable[[tf.Tensor, tf.Tensor, CellStates], tuple[tf.Tensor, CellStates]],
    steps: tf.Tensor,
    real: tf.Tensor,
    states: CellStates,
) -> tf.Tensor:
    """float32 [T, B, H]: ``step`` over [T, B, F], with ``real`` bool [T, B, 1]."""

    def masked(
        t: tf.Tensor, last: tf.Tensor | None, before: CellStates
    ) -> tuple[tf.Tensor, CellStates]:
        output, after = step(t, tf.gather(steps, t), before)
        last = tf.zeros_like(output) if last is None else last
        keep = tf.gather(real, t)
        chosen: tuple[tf.Tensor, CellStates] = tf.nest.map_structure(
            lambda new, old: _choose(keep, new, old), (output, after), (last, before)
        )
        return chosen

    def body(
        t: tf.Tensor, last: tf.Tensor, before: CellStates, array: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, CellStates, tf.TensorArray]:
        output, after = masked(t, last, before)
        return t + 1, output, after, array.write(t, output)

    # The first step is outside of the loop, as Keras cells draw their dropout masks in it: a tensor
    # that is made in the loop cannot be used outside of its iteration.
    output, states = masked(tf.constant(0), None, states)
    time = tf.shape(steps)[0]
    array = tf.TensorArray(tf.float32, time, element_shape=output.shape).write(0, output)
    start = (tf.constant(1), output, states, array)
    *_, filled = tf.while_loop(lambda t, *_: t < time, body, start)
    return filled.stack()


def _choose(keep: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """``new`` in the rows [B, 1] that ``keep`` says, else ``old``."""
    rows = tf.reshape(keep, [-1] + [1] * (old.shape.rank - 1))
    return tf.ensure_shape(tf.where(rows, tf.cast(new, old.dtype), old), old.shape)


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Makes the initial values of Keras layers that are created inside depend on ``seed`` alone.

    Keras takes the seed of an initializer that has none from Python's own generator, whose state
    is restored afterwards.
    """
    state = random.getstate()
    if seed is not None:
        random.seed(f"{seed}/cells")
    try:
        yield
    finally:
        if seed is not None:
            random.setstate(state)
