"""Examples as what any classifier can take: statistics of the numbers, and the tokens.

Where each step has a label, each is an example: a cheap model sees its values and its neighbours'.

Shapes: N rows, A answers (the rows, or all their steps), T steps of a row, F numbers a step.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from components.artifacts.schema import Schema, load_schema
from components.artifacts.values import Examples, Split
from components.baseline.statistics import Array, statistics_of
from components.features.config import FeaturesConfig
from components.label_tasks import TASKS
from components.training.datasets import label_counts, read_batches, read_ids

_ROWS_AT_ONCE: Final = 256
_LARGEST: Final = 1e30
_NEIGHBOURS: Final = np.arange(-2, 3)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of one split."""

    ids: tuple[str, ...]
    labels_of_rows: Sequence[tuple[str, ...]]
    """[N]"""
    numbers: Array
    """[A, D]: the statistics of each sequence of numbers, the context, the number of steps; or the
    numbers of a step and its neighbours, and the context."""
    tokens: tuple[list[str], ...]
    """[A]: the tokens and their pairs of neighbours, of every row; or those of the step and of its
    neighbours. Empty lists without tokens."""

    @functools.cached_property
    def labels(self) -> NDArray[np.str_]:
        """[A]"""
        return np.array(list(itertools.chain.from_iterable(self.labels_of_rows)))

    def __len__(self) -> int:
        return len(self.numbers)

    def joined(self, other: Inputs) -> Inputs:
        """These rows, and behind them the others."""
        return Inputs(
            self.ids + other.ids,
            [*self.labels_of_rows, *other.labels_of_rows],
            np.concatenate([self.numbers, other.numbers]),
            self.tokens + other.tokens,
        )

    @property
    def has_tokens(self) -> bool:
        """Whether there is a feature of tokens."""
        return any(self.tokens)


def read_inputs(examples: Examples, split: Split, most_rows: int) -> Inputs:
    """Reads a split, or every n-th row of one that is larger than ``most_rows``."""
    schema = load_schema(examples.path)
    # Of rows, or of steps where each has a label: what a cheap model takes for an example.
    answers = sum(label_counts(examples, split).values())
    every = max(1, math.ceil(answers / most_rows))
    labels: list[tuple[str, ...]] = []
    numbers: list[Array] = []
    tokens: list[list[str]] = []
    for features, names in read_batches(examples, split, _ROWS_AT_ONCE, every=every):
        found = names.to_list() if hasattr(names, "to_list") else names.numpy()[:, None].tolist()
        labels += [tuple(name.decode() for name in of_row) for of_row in found]
        for row in _rows(features, len(found)):
            if TASKS[schema.label].in_clusters:
                numbers += list(_numbers_of_steps(row, schema))
                tokens += _tokens_of_steps(row, schema)
            else:
                numbers.append(_numbers(row, schema))
                tokens.append(list(_tokens(row, schema)))
    ids = tuple(read_ids(examples, split)[::every])
    return Inputs(ids, labels, np.stack(numbers), tuple(tokens))


def _rows(features: dict[str, Any], rows: int) -> Iterator[dict[str, NDArray[Any]]]:
    """Each row by the names of its features: [T, F] or [T] of a sequence, [F] of the context."""
    # A ragged tensor as its values and where the rows begin: to index it row by row is slow.
    parts = {
        name: (tensor.flat_values.numpy(), tensor.row_splits.numpy())
        if hasattr(tensor, "row_splits")
        else (tensor.numpy(), None)
        for name, tensor in features.items()
    }
    for i in range(rows):
        yield {
            name: values[i] if splits is None else values[splits[i] : splits[i + 1]]
            for name, (values, splits) in parts.items()
        }


def _numeric(features: FeaturesConfig) -> list[str]:
    """The sequences that are numbers to the model; quantiles of numbers are ids."""
    sequence = sorted(features.transformed_sequence.items())
    return [name for name, kind in sequence if kind.dtype == "float32"]


def _numbers(row: dict[str, NDArray[Any]], schema: Schema) -> Array:
    features = schema.features
    steps = max((len(row[name]) for name in features.sequence), default=0)
    parts = [np.array([steps], np.float64)]
    parts += [statistics_of(row[name].astype(np.float64)) for name in _numeric(features)]
    parts += [
        row[name].astype(np.float64)
        for name, feature in sorted(features.context.items())
        if feature.transformed.dtype == "float32"
    ]
    # A forest compares float32; a number that overflowed is one that is very large.
    return np.nan_to_num(np.concatenate(parts)).clip(-_LARGEST, _LARGEST)


def _numbers_of_steps(row: dict[str, NDArray[Any]], schema: Schema) -> Array:
    """[T, D]: of each step its numbers and those of its neighbours, and the context."""
    features = schema.features
    steps = _steps(row, schema)
    around = np.add.outer(np.arange(steps), _NEIGHBOURS).clip(0, steps - 1)
    # Of tokens alone there are no numbers, and a forest takes no rows without any.
    parts = [np.zeros((steps, 1))]
    parts += [
        row[name].astype(np.float64)[around].reshape(steps, -1) for name in _numeric(features)
    ]
    parts += [
        np.tile(row[name].astype(np.float64), (steps, 1))
        for name, feature in sorted(features.context.items())
        if feature.transformed.dtype == "float32"
    ]
    return np.nan_to_num(np.concatenate(parts, axis=1)).clip(-_LARGEST, _LARGEST)


def _tokens_of_steps(row: dict[str, NDArray[Any]], schema: Schema) -> list[list[str]]:
    """[T]: ``name+1=id`` of each step and its neighbours, and of the context."""
    features = schema.features
    steps = _steps(row, schema)
    of_context = [
        f"{name}={row[name][0]}"
        for name, feature in sorted(features.context.items())
        if feature.transformed.dtype != "float32"
    ]
    names = sorted(set(features.sequence) - set(_numeric(features)))
    return [
        of_context
        + [
            f"{name}{place:+d}={row[name][step + place]}"
            for name in names
            for place in _NEIGHBOURS.tolist()
            if 0 <= step + place < steps
        ]
        for step in range(steps)
    ]


def _steps(row: dict[str, NDArray[Any]], schema: Schema) -> int:
    return max(len(row[name]) for name in schema.features.sequence)


def _tokens(row: dict[str, NDArray[Any]], schema: Schema) -> Iterator[str]:
    """``name=id`` of each step and each pair of neighbours, and of the context."""
    features = schema.features
    for name in sorted(set(features.sequence) - set(_numeric(features))):
        found = [str(value) for value in row[name]]
        yield from (f"{name}={value}" for value in found)
        yield from (f"{name}={a},{b}" for a, b in itertools.pairwise(found))
    for name, feature in sorted(features.context.items()):
        if feature.transformed.dtype != "float32":
            yield f"{name}={row[name][0]}"
