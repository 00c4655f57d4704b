"""The work of all peers: batches of sequences, and the weights that all begin with.

numpy only: TensorFlow 2.15 and torch read it too, in environments of their own.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import numpy as np

CLASSES: Final = 9
LEARNING_RATE: Final = 0.05
CLIP_NORM: Final = 5.0
"""Of each gradient by itself, as an optimizer that an estimator is given as a string."""
LOSS_STEP: Final = 16
"""After so many steps all must have the same loss."""

PRODUCT_SIZE: Final = 1536
PRODUCTS: Final = 12
"""Of square matrices: what the machine can do at most."""

SERVED_STEPS: Final = 20
EVALUATED_ROWS: Final = 10_000

_GATES: Final = {"lstm": 4, "gru": 3}


class Work(NamedTuple):
    """B rows of T = ``shortest`` to ``longest`` steps with F ``features``; H ``units`` a layer."""

    cell: Literal["simple_rnn", "lstm", "gru"]
    rows: int
    shortest: int
    longest: int
    features: int
    units: tuple[int, ...]
    window_steps: int
    """Steps that are timed at once."""
    batches: int = 8
    """Different ones, which are repeated."""

    @property
    def is_ragged(self) -> bool:
        """Whether rows differ in length."""
        return self.shortest < self.longest


WORKS: Final = {
    "S": Work("lstm", 32, 100, 100, 16, (32,), 150),
    "S2": Work("lstm", 32, 100, 100, 16, (32, 16), 100),
    "M": Work("lstm", 64, 50, 50, 32, (128,), 50),
    "R": Work("gru", 32, 5, 200, 16, (64,), 40),
    "V": Work("lstm", 32, 7, 29, 12, (64,), 250),
}

LONG_WORKS: Final = {
    f"T={steps}": Work("lstm", 16, steps, steps, 16, (64,), 20_000 // steps, batches=1)
    for steps in (2_000, 5_000, 10_000, 20_000)
}
"""One batch each, so that memory is that of a step and not that of the data."""

BESIDE_TORCH: Final = "M, T=2000"

EVERY_WORK: Final = {
    **WORKS,
    **LONG_WORKS,
    BESIDE_TORCH: Work("lstm", 64, 2000, 2000, 32, (128,), 2, batches=1),
}


class Batch(NamedTuple):
    """One batch."""

    lengths: Any
    """int64 [B]."""
    values: Any
    """float32 [B, T, F], zeros behind the last step of a row."""
    labels: Any
    """int64 [B]."""


def batches(work: Work, longest: int | None = None) -> list[Batch]:
    """The batches of a work.

    Args:
        work: what is trained.
        longest: T; None: of each batch that of its longest row.
    """
    random = np.random.default_rng(1)
    found = []
    for _ in range(work.batches):
        lengths = random.integers(work.shortest, work.longest + 1, work.rows)
        steps = longest or int(lengths.max())
        values = random.normal(size=(work.rows, work.longest, work.features))[:, :steps]
        values *= (np.arange(steps) < lengths[:, None])[..., None]
        labels = random.integers(0, CLASSES, work.rows)
        found.append(Batch(lengths, values.astype(np.float32), labels))
    return found


def weights(work: Work) -> list[Any]:
    """Kernel [F, G], recurrent kernel [H, G] and bias of each layer, then those of the logits.

    Gates in the order of Keras: input, forget, cell, output, or update, reset, candidate with a
    bias [2, 3 H] for the products of the inputs and of the states.
    """
    random = np.random.default_rng(2)
    found: list[Any] = []
    width = work.features
    for units in work.units:
        gates = _GATES[work.cell] * units
        kernels = [random.normal(size=(rows, gates)) / np.sqrt(rows) for rows in (width, units)]
        bias = np.zeros(gates) if work.cell == "lstm" else np.zeros((2, gates))
        found += [*kernels, bias]
        width = units
    found += [random.normal(size=(width, CLASSES)) / np.sqrt(width), np.zeros(CLASSES)]
    return [value.astype(np.float32) for value in found]


def step_flop(work: Work) -> float:
    """Floating-point operations of the products of a mean step, no padding counted.

    A product of [N, I] by [I, G] takes 2 N I G. Forward: inputs and states by their kernels; back:
    the same for the kernels' gradients, and for the gradients of the states, and for those of the
    inputs of all layers but the first.
    """
    steps = float(np.mean([batch.lengths.sum() for batch in batches(work)]))
    total, width = 0.0, work.features
    for index, units in enumerate(work.units):
        gates = _GATES[work.cell] * units
        products = 2 * (width + units) + units + (width if index else 0)
        total += 2 * steps * gates * products
        width = units
    return total
