"""The wrappers of cells in ``tf.nn``: dropout, residual connections and devices.

They are layers of a Keras inside of TensorFlow that does not know the layers of Keras 3: it sees no
weights in them, and cannot say whether a step belongs to a training. So each is replaced by a cell
that does the same with what it wraps, except that dropout stops outside of training.
"""

from __future__ import annotations

import contextvars
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import tensorflow as tf

from rnn_core.models import cell_protocol
from rnn_core.models.cell_protocol import Cell, CellStates, name_of

_INPUT, _STATE, _OUTPUT = range(3)


class _Moment(NamedTuple):
    """What the random numbers of a step are derived from, int scalars."""

    training_step: Any
    time_step: Any


_MOMENT: Final = contextvars.ContextVar[_Moment]("moment")


@contextmanager
def at_step(training_step: tf.Tensor | None, time_step: tf.Tensor) -> Iterator[None]:
    """Cells that are called inside draw their dropout for this step, the same each time."""
    token = _MOMENT.set(_Moment(0 if training_step is None else training_step, time_step))
    try:
        yield
    finally:
        _MOMENT.reset(token)


class WrappedCell:
    """A cell in place of a wrapper of ``tf.nn``; it has the wrapper's name and no variables."""

    def __init__(self, wrapper: Any) -> None:
        self.name = name_of(wrapper)
        self.cell = unwrapped(wrapper.cell)
        cell_protocol.check_cell(self.cell)
        self.state_size = self.cell.state_size
        self.built = False

    def build(self, input_shape: tuple[int | None, int]) -> None:
        """Builds the cell inside, for inputs [B, F]."""
        cell_protocol.build_once(self.cell, input_shape[1])
        self.built = True

    def get_initial_state(self, batch_size: tf.Tensor) -> CellStates:
        """The first states of the cell inside."""
        return cell_protocol.initial_states(self.cell, batch_size)

    def call(
        self, inputs: tf.Tensor, states: CellStates, training: bool = False
    ) -> tuple[tf.Tensor, CellStates]:
        """A step of the cell inside."""
        return cell_protocol.call(self.cell, inputs, states, training)


class _DropoutCell(WrappedCell):
    """``tf.nn.RNNCellDropoutWrapper``, in training alone."""

    def __init__(self, wrapper: Any) -> None:
        super().__init__(wrapper)
        # The settings have no public names.
        self._keep = [
            float(wrapper._input_keep_prob),
            float(wrapper._state_keep_prob),
            float(wrapper._output_keep_prob),
        ]
        self._is_variational = bool(wrapper._variational_recurrent)
        self._state_filter: Callable[[Any], Any] = wrapper._dropout_state_filter
        # Drawn as Keras draws the seeds of its layers, from the seed of the run.
        self._seed = random.getrandbits(31) if wrapper._seed is None else int(wrapper._seed)

    def call(
        self, inputs: tf.Tensor, states: CellStates, training: bool = False
    ) -> tuple[tf.Tensor, CellStates]:
        """A step; with dropout of its input, states and output if it is one of a training."""
        if not training:
            return super().call(inputs, states, training)
        output, after = super().call(self._dropped(inputs, _INPUT, 0), states, training)
        kept = [bool(one) for one in tf.nest.flatten(_verdicts(self._state_filter, after))]
        flat = [
            self._dropped(state, _STATE, index) if drops else state
            for index, (state, drops) in enumerate(zip(tf.nest.flatten(after), kept, strict=True))
        ]
        return self._dropped(output, _OUTPUT, 0), tf.nest.pack_sequence_as(after, flat)

    def _dropped(self, values: tf.Tensor, place: int, index: int) -> tf.Tensor:
        """``values`` [B, ...] after dropout; a variational mask is one for all rows and steps."""
        if self._keep[place] >= 1:
            return values
        moment = _MOMENT.get(_Moment(0, 0))
        numbers = (place, index, moment.training_step)
        seed = tf.constant([self._seed, 0], tf.int64)
        for number in numbers if self._is_variational else (*numbers, moment.time_step):
            seed = tf.random.fold_in(seed, tf.cast(number, tf.int64))
        noise = [1, *values.shape[1:]] if self._is_variational else None
        return tf.nn.experimental.stateless_dropout(
            values, 1 - self._keep[place], seed=seed, noise_shape=noise
        )


def _verdicts(state_filter: Callable[[Any], Any], states: Any) -> Any:
    """For each state whether it is dropped; a filter answers for a level or for its parts."""
    answer = state_filter(states)
    is_nested = tf.nest.is_nested(states)
    if not is_nested or answer is False:
        return tf.nest.map_structure(lambda _: bool(answer), states)
    parts = list(states.values()) if isinstance(states, dict) else list(states)
    if answer is True:
        return [_verdicts(state_filter, part) for part in parts]
    answers = list(answer.values()) if isinstance(answer, dict) else list(answer)
    return [
        _verdicts(state_filter, part) if goes_on else tf.nest.map_structure(lambda _: False, part)
        for part, goes_on in zip(parts, answers, strict=True)
    ]


class _ResidualCell(WrappedCell):
    """``tf.nn.RNNCellResidualWrapper``: the input is added to the output."""

    def __init__(self, wrapper: Any) -> None:
        super().__init__(wrapper)
        self._combine: Callable[[Any, Any], Any] = wrapper._residual_fn or tf.add

    def call(
        self, inputs: tf.Tensor, states: CellStates, training: bool = False
    ) -> tuple[tf.Tensor, CellStates]:
        """A step."""
        output, after = super().call(inputs, states, training)
        return self._combine(inputs, output), after


class _DeviceCell(WrappedCell):
    """``tf.nn.RNNCellDeviceWrapper``: steps run on a device."""

    def __init__(self, wrapper: Any) -> None:
        super().__init__(wrapper)
        self._device = wrapper._device

    def call(
        self, inputs: tf.Tensor, states: CellStates, training: bool = False
    ) -> tuple[tf.Tensor, CellStates]:
        """A step."""
        with tf.device(self._device):
            return super().call(inputs, states, training)


_REPLACEMENTS: Final[dict[type[Any], type[WrappedCell]]] = {
    tf.nn.RNNCellDropoutWrapper: _DropoutCell,
    tf.nn.RNNCellResidualWrapper: _ResidualCell,
    tf.nn.RNNCellDeviceWrapper: _DeviceCell,
}
"""By the very class: a subclass may do something else."""


def unwrapped(cell: Cell) -> Cell:
    """The cell, or what replaces it if it is a wrapper of ``tf.nn``."""
    replacement = _REPLACEMENTS.get(type(cell))
    return cell if replacement is None else replacement(cell)
