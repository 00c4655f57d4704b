"""One layer over all time steps in a loop, with its gradient written out.

One while_loop iteration runs S steps, unrolled: fewer iterations have fewer operations of the loop
itself, and what an iteration touches stays in a core's cache. It projects the input of all its
steps at once; only what depends on the step before is done step by step. The loop back in time does
the same: an iteration computes the local gradients of all its steps at once, and adds its part to
the gradients of the weights. `python -m benchmarks step` measures it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import tensorflow as tf

from rnn_core.models.cells import CellKind, CellWeights, LocalGradients, States

UNROLLED_STEPS: Final = 5
"""S. More is no faster, and takes longer to trace; 4 and 8 are slower, because of arrays of such a
size the same step falls on the same lines of a cache."""

Kept: TypeAlias = tuple[tf.TensorArray, ...]
"""What the gradient needs, an entry per iteration: of each state the values before its first step
and after each, [S + 1, B, H]; then what else its steps keep, [S, B, H]."""

_BEFORE: Final = slice(None, -1)
_AFTER: Final = slice(1, None)


def run_time_loop(
    kind: CellKind, weights: CellWeights, inputs: tf.Tensor, is_exported: bool = False
) -> tf.Tensor:
    """Hidden states float32 [T, B, H] for inputs float32 [T, B, F].

    ``is_exported``: with the gradient of TensorFlow, since a SavedModel cannot hold the one here.
    """
    time, batch = tf.unstack(tf.shape(inputs)[:2])
    bias, *product_bias = _biases(kind, tf.convert_to_tensor(weights.bias))
    # The bias is the weight of one more input, which is always 1.
    inputs = tf.concat([inputs, tf.ones([time, batch, 1])], 2)
    kernel = tf.concat([weights.kernel, bias[tf.newaxis]], 0)
    recurrent = tf.convert_to_tensor(weights.recurrent_kernel)
    given = _by_iteration(inputs), kernel, recurrent
    if is_exported:
        hidden = _hidden(_forward(kind, *given, product_bias))
    else:
        hidden = _recurrence(kind)(*given, *product_bias)
    return tf.reshape(hidden, [-1, batch, recurrent.shape[0]])[:time]


def _biases(kind: CellKind, bias: tf.Tensor) -> Sequence[tf.Tensor]:
    """That of the projected input [G], and that of the product's last columns [H] if it has one."""
    if kind.bias_rows == 1:
        return (bias,)
    # Only the candidate of a GRU needs the product's bias apart, as r multiplies it there; that of
    # the other columns may as well be added to the input. A bias of the whole product would make
    # TensorFlow take one operation of oneDNN for both, which takes several times as long where the
    # matrices are small.
    of_input, of_product = tf.unstack(bias)
    units = of_product.shape[0] // kind.gates
    return of_input + tf.pad(of_product[:-units], [[0, units]]), of_product[-units:]


def _by_iteration(steps: tf.Tensor) -> tf.Tensor:
    """[T, B, F] to [T / S, S, B, F], with zeros behind the last step."""
    time, batch, width = tf.unstack(tf.shape(steps))
    padded = tf.pad(steps, [[0, -time % UNROLLED_STEPS], [0, 0], [0, 0]])
    grouped = tf.reshape(padded, [-1, UNROLLED_STEPS, batch, width])
    return tf.ensure_shape(grouped, [None, UNROLLED_STEPS, None, steps.shape[2]])


def _recurrence(kind: CellKind) -> Callable[..., tf.Tensor]:
    """Inputs [T / S, S, B, F], kernels [F, G] and [H, G], and bias to hidden states, [..., H]."""

    @tf.custom_gradient
    def recurrence(
        inputs: tf.Tensor, kernel: tf.Tensor, recurrent: tf.Tensor, *bias: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, ...]]]:
        kept = _forward(kind, inputs, kernel, recurrent, bias)

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            d_projected, sums = _backward(kind, upstream, inputs, kept, recurrent)
            d_inputs = tf.matmul(_flat(d_projected), kernel, transpose_b=True)
            return (tf.reshape(d_inputs, tf.shape(inputs)), *sums[: 2 + len(bias)])

        return _hidden(kept), gradient

    result: Callable[..., tf.Tensor] = recurrence
    return result


def _hidden(kept: Kept) -> tf.Tensor:
    return kept[0].stack()[:, _AFTER]


def _forward(
    kind: CellKind,
    inputs: tf.Tensor,
    kernel: tf.Tensor,
    recurrent: tf.Tensor,
    bias: Sequence[tf.Tensor],
) -> Kept:
    """Runs all steps, first to last."""
    count, _, batch = tf.unstack(tf.shape(inputs)[:3])
    units, width = recurrent.shape

    def iteration(t: tf.Tensor, before: States, kept: Kept) -> tuple[Any, ...]:
        states, others = [before], []
        projected = tf.matmul(_flat(tf.gather(inputs, t)), kernel)
        for x in tf.unstack(tf.reshape(projected, [UNROLLED_STEPS, batch, width])):
            product = tf.matmul(states[-1][0], recurrent)
            after, other = kind.step(x, states[-1], product, *bias)
            states.append(after)
            others.append(other)
        found = (*zip(*states, strict=True), *zip(*others, strict=True))
        return t + 1, states[-1], _write(kept, t, [tf.stack(one) for one in found])

    kept = tuple(_array(count, units) for _ in range(kind.states + kind.kept))
    start = (tf.constant(0), (tf.zeros([batch, units]),) * kind.states, kept)
    loop = tf.while_loop(lambda t, *_: t < count, iteration, start, parallel_iterations=1)
    written: Kept = loop[2]
    return written


def _backward(
    kind: CellKind, upstream: tf.Tensor, inputs: tf.Tensor, kept: Kept, recurrent: tf.Tensor
) -> tuple[tf.Tensor, tuple[tf.Tensor, ...]]:
    """Gradients for the projected input [T / S, S, B, G]; for kernels and the product's bias."""
    count, _, batch = tf.unstack(tf.shape(upstream)[:3])
    units, width = recurrent.shape

    def iteration(
        t: tf.Tensor, d_states: States, sums: Sequence[tf.Tensor], arrays: Kept
    ) -> tuple[Any, ...]:
        found = [one.read(t) for one in kept]
        states, others = found[: kind.states], found[kind.states :]
        before, after = ([state[some] for state in states] for some in (_BEFORE, _AFTER))
        local = kind.local_gradients(before, after, *others)
        steps = _back(kind, tf.gather(upstream, t), d_states, local, recurrent)
        # With the loss L, dL/dW of y = x W is x^T dL/dy, added up over all steps and rows.
        d_product = _flat(steps.d_product)
        made = (
            tf.matmul(_flat(tf.gather(inputs, t)), _flat(steps.d_projected), transpose_a=True),
            tf.matmul(_flat(before[0]), d_product, transpose_a=True),
            tf.reduce_sum(d_product[:, -units:], 0),
        )
        sums = tuple(map(tf.add, sums, made))
        return t - 1, steps.d_states, sums, _write(arrays, t, [steps.d_projected])

    sums = tuple(tf.zeros(shape) for shape in ([inputs.shape[3], width], [units, width], [units]))
    nothing = (tf.zeros([batch, units]),) * kind.states
    start = (count - 1, nothing, sums, (_array(count, width),))
    loop = tf.while_loop(lambda t, *_: t >= 0, iteration, start, parallel_iterations=1)
    return loop[3][0].stack(), loop[2]


def _flat(steps: tf.Tensor) -> tf.Tensor:
    """[..., N] to [all of them, N], for one product."""
    return tf.reshape(steps, [-1, steps.shape[-1]])


class _Gradients(NamedTuple):
    """Gradients of the loss by what one iteration reads."""

    d_states: States
    """For the states before its first step, [B, H] each."""
    d_product: tf.Tensor
    """For the recurrent products, [S, B, G]."""
    d_projected: tf.Tensor
    """For the projected input, [S, B, G]."""


def _back(
    kind: CellKind,
    upstream: tf.Tensor,
    d_states: States,
    local: LocalGradients,
    recurrent: tf.Tensor,
) -> _Gradients:
    """The steps of one iteration, last to first: backpropagation through time."""
    # With the loss L, the gradients that arrive at a step from the step after it, d_states, and
    # from its own output, d_output:
    #   dL/dh = d_hidden + d_output
    #   dL/dm = d_memory + dL/dh * dh/dm                   (LSTM only)
    #   dL/dp = dL/d(h or m, as the gate acts on) * d(h or m)/dp
    # and those that it passes on to the step before it:
    #   dL/dh' = dL/dp U^T, as p = h' U; where h is carried on (GRU), plus dL/dh * dh/dh'
    #   dL/dm' = dL/dm * dm/dm'                            (LSTM only)
    # dL/dx is not needed to go on: it is computed for all steps at once, after the loop.
    steps = zip(*(tf.unstack(one, UNROLLED_STEPS) for one in (upstream, *local)), strict=True)
    width = recurrent.shape[1]
    spreads, d_products = [], []
    for d_output, by_product, _, carry, by_memory in reversed(list(steps)):
        d_hidden, *d_memory = d_states
        seen: States = (d_hidden + d_output,)
        if d_memory:
            seen = (*seen, d_memory[0] + seen[0] * by_memory)
        spreads.append(_spread(seen, kind.gates))
        d_products.append(tf.reshape(spreads[-1] * by_product, [-1, width]))
        past = tf.matmul(d_products[-1], recurrent, transpose_b=True)
        carried = seen[-1] * carry
        d_states = (past, carried) if d_memory else (past + carried,)
    d_product = tf.stack(d_products[::-1])
    # x and p are added in all cells but a GRU, whose reset gate comes between.
    if local.projected is local.product:
        return _Gradients(d_states, d_product, d_product)
    d_projected = tf.reshape(tf.stack(spreads[::-1]) * local.projected, tf.shape(d_product))
    return _Gradients(d_states, d_product, d_projected)


def _spread(seen: States, gates: int) -> tf.Tensor:
    """[B, G / H, H], the gradient that each gate sees: the memory's, for the output the hidden."""
    if len(seen) == 1:
        return seen[0][:, tf.newaxis]
    hidden, memory = seen
    return tf.stack([memory] * (gates - 1) + [hidden], 1)


def _array(count: tf.Tensor, width: int) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, count, element_shape=[None, None, width])


def _write(arrays: Kept, t: tf.Tensor, values: Sequence[tf.Tensor]) -> Kept:
    return tuple(array.write(t, value) for array, value in zip(arrays, values, strict=True))
