"""The built-in recurrent cells: their weights, one step, and what their gradient needs.

Weights are laid out as in Keras 2: ``kernel`` [F, G], ``recurrent_kernel`` [H, G] and ``bias``,
with G = H for ``simple_rnn``, 4H for ``lstm`` (gates i, f, c, o) and 3H for ``gru`` (gates z, r, h;
bias [2, 3H]: one for the input, one for the recurrent product: Keras 2's ``reset_after=True``).

The gradient of a step is linear in the gradients of its states. So its derivatives at the values
of the forward pass, the ``LocalGradients``, are computed for many steps at once, and each step back
in time only multiplies with them.

In the comments x is the projected input, p the recurrent product, h the hidden state, m the memory,
h' and m' those of the step before, s the sigmoid, and * acts on each element.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from rnn_core.graph import initializers
from rnn_core.types import Array

States: TypeAlias = tuple[tf.Tensor, ...]
"""The states of a step, [..., H] each, the hidden one first."""
Step: TypeAlias = tuple[States, tuple[tf.Tensor, ...]]
"""The states after a step, and what else its gradient needs, [B, H] each."""


class LocalGradients(NamedTuple):
    """Derivatives of S steps, float32; each gate's are of the state that the gate acts on.

    That is the hidden state, but of an LSTM the memory for all gates except the output gate.
    """

    product: tf.Tensor
    """[S, B, G / H, H]: of the state by the recurrent product of each gate."""
    projected: tf.Tensor
    """[S, B, G / H, H]: of the state by the projected input of each gate."""
    carry: tf.Tensor
    """[S, B, H]: of the last state by itself one step before, past the gates."""
    memory: tf.Tensor
    """[S, B, H]: of the hidden state by the memory; [S, B, 0] without a memory."""


@dataclasses.dataclass(frozen=True)
class CellKind:
    """What the word of a cell stands for: its weights, a step and its gradient."""

    name: str
    """In the names of variables."""
    keras_class: type[keras.layers.Layer]
    """The same cell, where it has its default settings."""
    gates: int
    """G / H."""
    states: int
    """1, or 2 with a memory."""
    bias_rows: int
    """2 if the recurrent product has a bias of its own."""
    kept: int
    """How many tensors besides the states a step keeps for its gradient."""
    step: Callable[..., Step]
    """Of the projected input [B, G], the states, the recurrent product [B, G], and with two rows of
    bias that of the product's last H columns, [H]."""
    local_gradients: Callable[..., LocalGradients]
    """Of the states before and after S steps, and what else these kept, [S, B, H] each."""
    unit_bias_gate: int | None = None
    """The gate whose bias starts at 1."""

    def initial_bias(self, shape: Sequence[int], _: np.random.Generator) -> Array:
        """Zeros, but ones for the forget gate of an LSTM: Jozefowicz et al. 2015."""
        bias = np.zeros(shape, np.float32)
        if self.unit_bias_gate is not None:
            # A view: [..., G] as [..., G / H, H].
            bias.reshape([*shape[:-1], self.gates, -1])[..., self.unit_bias_gate, :] = 1.0
        return bias


@dataclasses.dataclass(frozen=True)
class CellWeights:
    """The variables of one layer."""

    kernel: tf.Variable
    recurrent_kernel: tf.Variable
    bias: tf.Variable


Layer: TypeAlias = tuple[CellKind, CellWeights]
"""A layer to run."""


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
    # h = tanh(x + p)
    return (tf.tanh(x + product),), ()


def _simple_gradients(_: States, after: States) -> LocalGradients:
    # dh/dx = dh/dp = 1 - h * h; h' acts through p alone, so that nothing is carried.
    gates = (1 - after[0] * after[0])[:, :, tf.newaxis]
    nothing = tf.zeros_like(after[0])
    return LocalGradients(gates, gates, nothing, nothing[:, :, :0])


def _gru_step(x: tf.Tensor, before: States, product: tf.Tensor, inner_bias: tf.Tensor) -> Step:
    # z = s(x_z + p_z), r = s(x_r + p_r)
    # inner = p_c + b_c, c = tanh(x_c + r * inner): the reset gate acts on the product
    # h = (1 - z) * c + z * h', written with one multiplication less
    units = before[0].shape[-1]
    x_gates, x_candidate = tf.split(x, [2 * units, units], 1)
    product_gates, product_candidate = tf.split(product, [2 * units, units], 1)
    inner = product_candidate + inner_bias
    z, r = tf.split(tf.sigmoid(x_gates + product_gates), 2, 1)
    candidate = tf.tanh(x_candidate + r * inner)
    return (candidate + z * (before[0] - candidate),), (z, r, candidate, inner)


def _gru_gradients(before: States, _: States, *kept: tf.Tensor) -> LocalGradients:
    z, r, candidate, inner = kept
    # dh/dx_z = dh/dp_z = (h' - c) * z * (1 - z)
    by_z = (before[0] - candidate) * z * (1 - z)
    # dh/dx_c = (1 - z) * (1 - c * c), and dh/dp_c = dh/dx_c * r
    by_candidate = (1 - z) * (1 - candidate * candidate)
    # dh/dx_r = dh/dp_r = dh/dx_c * inner * r * (1 - r)
    by_r = by_candidate * inner * r * (1 - r)
    return LocalGradients(
        tf.stack([by_z, by_r, by_candidate * r], 2),
        tf.stack([by_z, by_r, by_candidate], 2),
        z,  # dh/dh' past the gates
        z[:, :, :0],
    )


def _lstm_step(x: tf.Tensor, before: States, product: tf.Tensor, *_: tf.Tensor) -> Step:
    # i, f, o = s(x + p) of their gates, c = tanh(x_c + p_c)
    # m = f * m' + i * c, h = o * tanh(m)
    in_i, in_f, in_candidate, in_o = tf.split(x + product, 4, 1)
    i, f, o = tf.sigmoid(in_i), tf.sigmoid(in_f), tf.sigmoid(in_o)
    candidate = tf.tanh(in_candidate)
    memory = f * before[1] + i * candidate
    squashed = tf.tanh(memory)
    return (o * squashed, memory), (i, f, candidate, o, squashed)


def _lstm_gradients(before: States, _: States, *kept: tf.Tensor) -> LocalGradients:
    i, f, candidate, o, squashed = kept
    gates = tf.stack(
        [
            candidate * i * (1 - i),  # dm/dp_i
            before[1] * f * (1 - f),  # dm/dp_f
            i * (1 - candidate * candidate),  # dm/dp_c
            squashed * o * (1 - o),  # dh/dp_o
        ],
        2,
    )
    # dm/dm' = f past the gates; dh/dm = o * (1 - tanh(m)^2)
    return LocalGradients(gates, gates, f, o * (1 - squashed * squashed))


KINDS: Final[Mapping[str, CellKind]] = {
    "simple_rnn": CellKind(
        name="simple_rnn_cell",
        keras_class=keras.layers.SimpleRNNCell,
        gates=1,
        states=1,
        bias_rows=1,
        kept=0,
        step=_simple_step,
        local_gradients=_simple_gradients,
    ),
    "lstm": CellKind(
        name="lstm_cell",
        keras_class=keras.layers.LSTMCell,
        gates=4,
        states=2,
        bias_rows=1,
        kept=5,
        step=_lstm_step,
        local_gradients=_lstm_gradients,
        unit_bias_gate=1,
    ),
    "gru": CellKind(
        name="gru_cell",
        keras_class=keras.layers.GRUCell,
        gates=3,
        states=1,
        bias_rows=2,
        kept=4,
        step=_gru_step,
        local_gradients=_gru_gradients,
    ),
}
"""The built-in kinds, by the words of ``rnn_core.names.CellType``, from which a config takes its
choices. The native operations know them by ``name``."""
