"""Rows as the baselines take them: plain arrays, read from the same files as rnnflow reads.

Shapes: N rows, T steps of a row, F numbers a step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import orjson
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]


@dataclasses.dataclass(frozen=True)
class Rows:
    """The rows of one file, in its order."""

    ids: tuple[str, ...]
    labels: Array
    """[N] text."""
    numbers: tuple[Array, ...]
    """N times [T, F] float32, all numeric features of a step side by side; F may be 0."""
    tokens: tuple[tuple[str, ...], ...]
    """N times T, or N times nothing where no feature holds text."""
    context: tuple[dict[str, Any], ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def has_numbers(self) -> bool:
        """Whether a step holds numbers."""
        return self.numbers[0].shape[1] > 0

    @property
    def has_tokens(self) -> bool:
        """Whether a step holds text."""
        return bool(self.tokens[0])

    @property
    def lengths(self) -> list[int]:
        """[N]."""
        return [len(steps) for steps in self.numbers]


def read_rows(path: Path) -> Rows:
    """The rows of a JSONL file of ``make bench-data``; all of them have the same features."""
    rows = [orjson.loads(line) for line in path.read_bytes().splitlines()]
    return Rows(
        ids=tuple(row["id"] for row in rows),
        labels=np.array([row["label"] for row in rows]),
        numbers=tuple(_numbers(row["sequence"]) for row in rows),
        tokens=tuple(_tokens(row["sequence"]) for row in rows),
        context=tuple(row["context"] for row in rows),
    )


def _numbers(sequence: dict[str, list[Any]]) -> Array:
    steps = len(next(iter(sequence.values())))
    parts = [
        np.asarray(values, np.float32).reshape(steps, -1)
        for values in sequence.values()
        if not _is_text(values)
    ]
    return np.concatenate([np.zeros((steps, 0), np.float32), *parts], axis=1)


def _tokens(sequence: dict[str, list[Any]]) -> tuple[str, ...]:
    return tuple(token for values in sequence.values() if _is_text(values) for token in values)


def _is_text(values: Sequence[Any]) -> bool:
    return isinstance(values[0], str)
