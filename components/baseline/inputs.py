"""Examples as what any classifier can take: statistics of the numbers, and the tokens.

Shapes: N rows, T steps of a row, F numbers a step.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.artifacts.schema import Schema, load_schema
from components.artifacts.values import Examples, Split
from components.training.datasets import count, read_batches, read_ids

Array: TypeAlias = NDArray[np.float64]

_ROWS_AT_ONCE: Final = 256
_LARGEST: Final = 1e30
_QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Inputs:
    """Rows of one split."""

    ids: tuple[str, ...]
    labels: NDArray[np.str_]
    """[N]"""
    numbers: Array
    """[N, D]: the statistics of each sequence of numbers, the context, the number of steps."""
    tokens: tuple[list[str], ...]
    """[N]: the tokens and their pairs of neighbours, of every row; empty lists without tokens."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_tokens(self) -> bool:
        """Whether there is a feature of tokens."""
        return any(self.tokens)


def read_inputs(examples: Examples, split: Split, most_rows: int) -> Inputs:
    """Reads a split, or every n-th row of one that is larger than ``most_rows``."""
    schema = load_schema(examples.path)
    every = max(1, math.ceil(count(examples, split) / most_rows))
    labels: list[str] = []
    numbers: list[Array] = []
    tokens: list[list[str]] = []
    # Of each batch a worker takes every n-th row, and n divides the batch: so it does of the split.
    for features, names in read_batches(examples, split, _ROWS_AT_ONCE * every, workers=every):
        labels += [name.decode() for name in names.numpy()]
        for row in _rows(features, len(names)):
            numbers.append(_numbers(row, schema))
            tokens.append(list(_tokens(row, schema)))
    ids = tuple(read_ids(examples, split)[::every])
    return Inputs(ids, np.array(labels), np.stack(numbers), tuple(tokens))


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


def _numbers(row: dict[str, NDArray[Any]], schema: Schema) -> Array:
    features = schema.features
    steps = max((len(row[name]) for name in features.sequence), default=0)
    parts = [np.array([steps], np.float64)]
    parts += [_statistics(row[name].astype(np.float64)) for name in features.numeric_sequences]
    parts += [
        row[name].astype(np.float64)
        for name, feature in sorted(features.context.items())
        if feature.transformed.dtype == "float32"
    ]
    # A forest compares float32; a number that overflowed is one that is very large.
    return np.nan_to_num(np.concatenate(parts)).clip(-_LARGEST, _LARGEST)


def _statistics(steps: Array) -> Array:
    """[14 F] of [T, F]; a row without steps has zeros."""
    if not len(steps):
        return np.zeros(14 * steps.shape[1])
    # A row of one step has no difference to the step before: it counts as unchanged.
    changes = np.diff(steps, axis=0) if len(steps) > 1 else np.zeros_like(steps)
    mean = steps.mean(axis=0)
    found = [
        mean,
        steps.std(axis=0),
        steps.min(axis=0),
        steps.max(axis=0),
        steps[0],
        steps[-1],
        *np.quantile(steps, _QUANTILES, axis=0),
        np.abs(changes).mean(axis=0),
        changes.std(axis=0),
        # How often a number crosses its mean, a step.
        np.abs(np.diff(steps > mean, axis=0)).sum(axis=0) / len(steps),
    ]
    return np.concatenate(found)


def _tokens(row: dict[str, NDArray[Any]], schema: Schema) -> Iterator[str]:
    """``name=id`` of each step and each pair of neighbours, and of the context."""
    features = schema.features
    for name in sorted(set(features.sequence) - set(features.numeric_sequences)):
        found = [str(value) for value in row[name]]
        yield from (f"{name}={value}" for value in found)
        yield from (f"{name}={a},{b}" for a, b in itertools.pairwise(found))
    for name, feature in sorted(features.context.items()):
        if feature.transformed.dtype != "float32":
            yield f"{name}={row[name][0]}"
