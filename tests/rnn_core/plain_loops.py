"""Recurrent layers as plain loops of numpy, for float64 and for complex numbers.

A slope is exact with complex numbers: the imaginary part of f(x + ih d) is h times the slope of f
at x along d, whatever small h is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rnn_core.models.cells import KINDS

_TINY = 1e-30


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def step(name: str, x: Any, states: Any, weights: Sequence[Any]) -> tuple[Any, ...]:
    """One step of Keras 2's cells: x [B, F], states [B, H] each."""
    hidden, (kernel, recurrent, bias) = states[0], weights
    if name == "simple_rnn":
        return (np.tanh(x @ kernel + hidden @ recurrent + bias),)
    if name == "gru":
        x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3, axis=1)
        inner_z, inner_r, inner_h = np.split(hidden @ recurrent + bias[1], 3, axis=1)
        z, r = sigmoid(x_z + inner_z), sigmoid(x_r + inner_r)
        return (z * hidden + (1 - z) * np.tanh(x_h + r * inner_h),)
    i, f, c, o = np.split(x @ kernel + hidden @ recurrent + bias, 4, axis=1)
    memory = sigmoid(f) * states[1] + sigmoid(i) * np.tanh(c)
    return sigmoid(o) * np.tanh(memory), memory


def layer(name: str, values: Any, mask: Any, weights: Sequence[Any]) -> Any:
    """Hidden states [B, T, H] for values [B, T, F], mask [B, T], and kernel, recurrent, bias."""
    batch, time = mask.shape
    units = weights[1].shape[0]
    dtype = np.result_type(values, *weights, np.float64)
    states: Any = (np.zeros((batch, units), dtype),) * KINDS[name].states
    outputs = np.zeros((batch, time, units), dtype)
    for t in range(time):
        after = step(name, values[:, t], states, weights)
        real = mask[:, t, np.newaxis]
        states = tuple(np.where(real, new, old) for new, old in zip(after, states, strict=True))
        outputs[:, t] = states[0]
    return outputs


def reduced(outputs: Any, mask: Any, output: str) -> Any:
    """What ``rnn_core.names.LayerOutput`` says of outputs [B, T, H], from the real steps alone."""
    if output in ("steps", "last"):
        return outputs if output == "steps" else outputs[:, -1]
    nothing = np.zeros((1, outputs.shape[2]))
    rows = [row[real] if real.any() else nothing for row, real in zip(outputs, mask, strict=True)]
    means = [row.mean(0) for row in rows]
    # The largest of complex numbers is that with the largest real part.
    maxima = [np.take_along_axis(row, row.real.argmax(0)[None], 0)[0] for row in rows]
    parts = {"mean": [means], "max": [maxima], "mean_max": [means, maxima]}[output]
    return np.concatenate([np.reshape(part, (-1, outputs.shape[2])) for part in parts], axis=1)


def slope(f: Callable[..., Any], arguments: Sequence[Any], which: int, direction: Any) -> float:
    """The slope of ``f`` at ``arguments``, as one of them moves along ``direction``."""
    moved = list(arguments)
    moved[which] = arguments[which] + 1j * _TINY * direction
    return float(np.imag(f(*moved)) / _TINY)
