"""The built-in recurrent cells: their weights, one step, and what their gradient needs.

Weights are laid out as in Keras 2: ``kernel`` [F, G], ``recurrent_kernel`` [H, G] and ``bias``,
with G = H for ``simple_rnn``, 4H for ``lstm`` (gates i, f, c, o) and 3H for ``gru`` (gates z, r, h;
bias [2, 3H]: one for the input, one for the recurrent product: Keras 2's ``reset_after=True``).

The gradient of a step is linear in the gradients of its states, so it is written as factors that
are made for all steps at once, and that the loop back in time only multiplies with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from rnn_core import initializers
from rnn_core.types import Array

States: TypeAlias = tuple[tf.Tensor, ...]
"""The states of a step, [..., H] each, the hidden one first."""


class Factors(NamedTuple):
    """What the gradient multiplies with; float32 [T, B, ...]."""

    gates: tf.Tensor
    """[T, B, G / H, H]: state gradients to gradients of the recurrent product."""
    inputs: tf.Tensor
    """[T, B, G / H, H]: the same, to gradients of the projected input."""
    carry: tf.Tensor
    """[T, B, H]: how much of the last state's gradient goes past the gates to the step before."""
    inner: tf.Tensor
    """[T, B, H]: from the hidden state's gradient to the memory's; empty without a memory."""


@dataclasses.dataclass(frozen=True)
class CellKind:
    """A kind of cell: its name in variable names, its weights, a step and its gradient."""

    name: str
    gates: int
    """G / H."""
    states: int
    """1, or 2 with a memory."""
    bias_rows: int
    """2 if the recurrent product has a bias of its own."""
    step: Callable[[tf.Tensor, States, tf.Tensor], States]
    """Projected input [B, G], states and recurrent product [B, G] to the next states."""
    factors: Callable[[tf.Tensor, States, States, tf.Tensor], Factors]
    """Projected inputs, states before and after, and recurrent products, all [T, B, ...]."""

    def initial_bias(self, shape: Sequence[int], _: np.random.Generator) -> Array:
        """Zeros, but ones for the forget gate of an LSTM: Jozefowicz et al. 2015."""
        bias = np.zeros(shape, np.float32)
        if self.name == "lstm_cell":
            units = shape[0] // 4
            bias[units : 2 * units] = 1.0
        return bias


@dataclasses.dataclass(frozen=True)
class CellWeights:
    """The variables of one layer."""

    kernel: tf.Variable
    recurrent_kernel: tf.Variable
    bias: tf.Variable


Layer: TypeAlias = tuple[CellKind, CellWeights]
"""What is needed to run a layer."""


def create_weights(
    kind: CellKind, scope: str, width: int, units: int, create: Callable[..., tf.Variable]
) -> CellWeights:
    """Makes ``scope``/kernel, recurrent_kernel and bias for inputs of F = ``width``."""
    columns = kind.gates * units
    bias_shape = (columns,) if kind.bias_rows == 1 else (kind.bias_rows, columns)
    return CellWeights(
        create(f"{scope}/kernel", (width, columns), initializers.glorot_uniform),
        create(f"{scope}/recurrent_kernel", (units, columns), initializers.orthogonal),
        create(f"{scope}/bias", bias_shape, kind.initial_bias),
    )


def _simple_step(x: tf.Tensor, _: States, product: tf.Tensor) -> States:
    return (tf.tanh(x + product),)


def _simple_factors(x: tf.Tensor, before: States, after: States, product: tf.Tensor) -> Factors:
    del before, product
    gates = (1 - after[0] * after[0])[:, :, tf.newaxis]
    nothing = tf.zeros_like(after[0])
    return Factors(gates, gates, nothing, x[:, :, :0])


def _gru_step(x: tf.Tensor, before: States, product: tf.Tensor) -> States:
    units = before[0].shape[-1]
    x_gates, x_candidate = tf.split(x, [2 * units, units], 1)
    product_gates, inner = tf.split(product, [2 * units, units], 1)
    z, r = tf.split(tf.sigmoid(x_gates + product_gates), 2, 1)
    candidate = tf.tanh(x_candidate + r * inner)
    return (candidate + z * (before[0] - candidate),)


def _gru_factors(x: tf.Tensor, before: States, after: States, product: tf.Tensor) -> Factors:
    del after
    units = before[0].shape[-1]
    gates = tf.sigmoid(x[:, :, : 2 * units] + product[:, :, : 2 * units])
    z, r = tf.split(gates, 2, 2)
    inner = product[:, :, 2 * units :]
    candidate = tf.tanh(x[:, :, 2 * units :] + r * inner)
    to_z = (before[0] - candidate) * z * (1 - z)
    to_candidate = (1 - z) * (1 - candidate * candidate)
    to_r = to_candidate * inner * r * (1 - r)
    return Factors(
        tf.stack([to_z, to_r, to_candidate * r], 2),
        tf.stack([to_z, to_r, to_candidate], 2),
        z,
        x[:, :, :0],
    )


def _lstm_step(x: tf.Tensor, before: States, product: tf.Tensor) -> States:
    units = before[0].shape[-1]
    gates = x + product
    i, f = tf.split(tf.sigmoid(gates[:, : 2 * units]), 2, 1)
    candidate = tf.tanh(gates[:, 2 * units : 3 * units])
    memory = f * before[1] + i * candidate
    return tf.sigmoid(gates[:, 3 * units :]) * tf.tanh(memory), memory


def _lstm_factors(x: tf.Tensor, before: States, after: States, product: tf.Tensor) -> Factors:
    in_i, in_f, in_candidate, in_o = tf.split(x + product, 4, 2)
    i, f, o = tf.sigmoid(in_i), tf.sigmoid(in_f), tf.sigmoid(in_o)
    candidate, squashed = tf.tanh(in_candidate), tf.tanh(after[1])
    gates = tf.stack(
        [
            candidate * i * (1 - i),
            before[1] * f * (1 - f),
            i * (1 - candidate * candidate),
            squashed * o * (1 - o),
        ],
        2,
    )
    return Factors(gates, gates, f, o * (1 - squashed * squashed))


KINDS: Final = {
    "simple_rnn": CellKind("simple_rnn_cell", 1, 1, 1, _simple_step, _simple_factors),
    "lstm": CellKind("lstm_cell", 4, 2, 1, _lstm_step, _lstm_factors),
    "gru": CellKind("gru_cell", 3, 1, 2, _gru_step, _gru_factors),
}
"""The built-in kinds, by the string of ``cell_type``."""
