"""Recurrent layers made of any cells, with gradients by automatic differentiation.

At a padded step states and output are carried on, as in ``keras.layers.RNN``; before the first
real step the output is zero. Dropout of Keras cells is drawn once per sequence, from the run's seed
and the global step, so that a resumed run draws the numbers that an uninterrupted one would have.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import tensorflow as tf

from rnn_core.models import cell_protocol
from rnn_core.models.cell_protocol import Cell, CellStates, UniqueNames, name_of

_DRAWS_PER_STEP: Final = 1024
"""Added to the counters of random numbers per training step; more than a step draws."""


class CustomCellLayers:
    """Cells on top of each other.

    Args:
        cells: objects with the protocol of a cell, lowest first.
        scope: put before the names of their weights.
        width: F of the input.
        adopt: called with the name and the variable of each weight, and whether it is trained.

    Raises:
        ArgumentError: one has not the protocol.
    """

    def __init__(
        self,
        cells: Sequence[Cell],
        scope: str,
        width: int,
        adopt: Callable[[str, tf.Variable, bool], None],
    ) -> None:
        self._cells = list(cells)
        self._seeds = []
        names = UniqueNames()
        for cell in self._cells:
            width = cell_protocol.build(cell, width)
            name = names(name_of(cell))
            for weight in cell_protocol.weights(cell):
                adopt(f"{scope}/{name}/{weight.name}", weight.variable, weight.trainable)
            self._seeds += [(one, int(one.numpy()[0])) for one in cell_protocol.seed_states(cell)]
            cell_protocol.forget_dropout(cell)
        self.units = width
        """H of the last cell."""

    def __call__(
        self,
        values: tf.Tensor,
        mask: tf.Tensor,
        training_step: tf.Tensor | None,
        sequences: bool,
    ) -> tf.Tensor:
        """Outputs of all steps or of the last; see ``recurrent_layers.RecurrentLayers``."""
        training = training_step is not None
        if training_step is not None:
            self._seed(training_step)
        steps, real = tf.transpose(values, [1, 0, 2]), tf.transpose(mask)[:, :, tf.newaxis]
        states = [cell_protocol.initial_states(cell, tf.shape(steps)[1]) for cell in self._cells]
        # Keras cells draw their dropout masks in the first call, which must not be inside of the
        # loop: a tensor that is made there cannot be used outside of its iteration. Of the output
        # only the shape is used.
        output, _ = self._step(steps[0], states, training)
        outputs = _scan(
            lambda x, before: self._step(x, before, training), steps, real, output, states
        )
        for cell in self._cells:
            cell_protocol.forget_dropout(cell)
        return tf.transpose(outputs, [1, 0, 2]) if sequences else outputs[-1]

    def _step(
        self, x: tf.Tensor, states: CellStates, training: bool
    ) -> tuple[tf.Tensor, CellStates]:
        after = []
        for cell, before in zip(self._cells, states, strict=True):
            x, new = cell_protocol.call(cell, x, before, training)
            after.append(new)
        return tf.cast(x, tf.float32), after

    def _seed(self, training_step: tf.Tensor) -> None:
        drawn = tf.cast(training_step, tf.int64) * _DRAWS_PER_STEP
        for state, seed in self._seeds:
            state.assign(tf.cast(tf.stack([tf.constant(seed, tf.int64), drawn]), state.dtype))


def _scan(
    step: Callable[[tf.Tensor, CellStates], tuple[tf.Tensor, CellStates]],
    steps: tf.Tensor,
    real: tf.Tensor,
    output_like: tf.Tensor,
    states: CellStates,
) -> tf.Tensor:
    """float32 [T, B, H]: ``step`` over [T, B, F], with ``real`` bool [T, B, 1]."""
    time = tf.shape(steps)[0]
    array = tf.TensorArray(tf.float32, time, element_shape=output_like.shape)

    def body(
        t: tf.Tensor, last: tf.Tensor, before: CellStates, array: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, CellStates, tf.TensorArray]:
        keep = tf.gather(real, t)
        found = step(tf.gather(steps, t), before)
        output, after = tf.nest.map_structure(
            lambda new, old: _choose(keep, new, old), found, (last, before)
        )
        return t + 1, output, after, array.write(t, output)

    start = (tf.constant(0), tf.zeros_like(output_like), states, array)
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
