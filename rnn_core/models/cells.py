"""The built-in recurrent cells: their weights, one step, and what their gradient needs.

Weights are laid out as in Keras 2: ``kernel`` [F, G], ``recurrent_kernel`` [H, G] and ``bias``,
with G = H for ``simple_rnn``, 4H for ``lstm`` (gates i, f, c, o) and 3H for ``gru`` (gates z, r, h;
bias [2, 3H]: one for the input, one for the recurrent product: Keras 2's ``reset_after=True``).

The gradient of a step is linear in the gradients of its states, so it is written as factors that
are made for many steps at once, and that each step back in time only multiplies with.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.types import Array

States: TypeAlias = tuple[tf.Tensor, ...]
"""The states of a step, [..., H] each, the hidden one first."""
Step: TypeAlias = tuple[States, tuple[tf.Tensor, ...]]
"""The states after a step, and what else its gradient needs, [B, H] each."""


class Factors(NamedTuple):
    """What the gradient multiplies with, for S steps; float32."""

    gates: tf.Tensor
    """[S, B, G / H, H]: state gradients to gradients of the recurrent product."""
    inputs: tf.Tensor
    """[S, B, G / H, H]: the same, to gradients of the projected input."""
    carry: tf.Tensor
    """[S, B, H]: how much of the last state's gradient goes past the gates to the step before."""
    inner: tf.Tensor
    """[S, B, H]: from the hidden state's gradient to the memory's; empty without a memory."""


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
    kept: int
    """How many tensors besides its states the gradient of a step needs."""
    step: Callable[..., Step]
    """Of the projected input [B, G], the states, the recurrent product [B, G], and with two rows of
    bias the one [H] of the product's last H columns."""
    factors: Callable[..., Factors]
    """Of the states before and after some steps, and what else these kept, [S, B, H] each."""

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


def _simple_step(x: tf.Tensor, _: States, product: tf.Tensor, *__: tf.Tensor) -> Step:
    return (tf.tanh(x + product),), ()


def _simple_factors(_: States, after: States) -> Factors:
    gates = (1 - after[0] * after[0])[:, :, tf.newaxis]
    nothing = tf.zeros_like(after[0])
    return Factors(gates, gates, nothing, nothing[:, :, :0])


def _gru_step(x: tf.Tensor, before: States, product: tf.Tensor, inner_bias: tf.Tensor) -> Step:
    units = before[0].shape[-1]
    x_gates, x_candidate = tf.split(x, [2 * units, units], 1)
    product_gates, product_candidate = tf.split(product, [2 * units, units], 1)
    inner = product_candidate + inner_bias
    z, r = tf.split(tf.sigmoid(x_gates + product_gates), 2, 1)
    candidate = tf.tanh(x_candidate + r * inner)
    return (candidate + z * (before[0] - candidate),), (z, r, candidate, inner)


def _gru_factors(before: States, _: States, *kept: tf.Tensor) -> Factors:
    z, r, candidate, inner = kept
    to_z = (before[0] - candidate) * z * (1 - z)
    to_candidate = (1 - z) * (1 - candidate * candidate)
    to_r = to_candidate * inner * r * (1 - r)
    return Factors(
        tf.stack([to_z, to_r, to_candidate * r], 2),
        tf.stack([to_z, to_r, to_candidate], 2),
        z,
        z[:, :, :0],
    )


def _lstm_step(x: tf.Tensor, before: States, product: tf.Tensor, *_: tf.Tensor) -> Step:
    in_i, in_f, in_candidate, in_o = tf.split(x + product, 4, 1)
    i, f, o = tf.sigmoid(in_i), tf.sigmoid(in_f), tf.sigmoid(in_o)
    candidate = tf.tanh(in_candidate)
    memory = f * before[1] + i * candidate
    squashed = tf.tanh(memory)
    return (o * squashed, memory), (i, f, candidate, o, squashed)


def _lstm_factors(before: States, _: States, *kept: tf.Tensor) -> Factors:
    i, f, candidate, o, squashed = kept
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
    "simple_rnn": CellKind("simple_rnn_cell", 1, 1, 1, 0, _simple_step, _simple_factors),
    "lstm": CellKind("lstm_cell", 4, 2, 1, 5, _lstm_step, _lstm_factors),
    "gru": CellKind("gru_cell", 3, 1, 2, 4, _gru_step, _gru_factors),
}
"""The built-in kinds, by the string of ``cell_type``."""
