"""What the values of a feature look like over all rows, from which its kind is inferred."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Part: TypeAlias = Literal["sequence", "context"]
"""The part of a row that holds a feature."""
ValueClass: TypeAlias = Literal["whole", "number", "vector", "text", "other"]

MAX_DISTINCT_VALUES = 100_000
"""No more distinct values of a feature are collected."""
_NUMBERS = frozenset({int, float})
_LARGEST = 10.0**300
"""Larger numbers count as this in a sum: a whole number may be larger than any float."""
_MERGED = 0.1
"""From this share on, numbers that float32 cannot tell apart are no rounding of the last digit."""


@dataclass
class Observed:
    """One feature: the rows that have it, the classes of their values, widths of vectors, values.

    ``values`` are the distinct whole numbers or strings. ``numbers`` counts the numbers or strings
    that are there, ``total`` is the sum of those in the context, ``nulls`` counts the missing ones
    among them, and ``absent`` the rows that lack the feature. ``varies`` says whether there is more
    than one value. ``changes`` counts the numbers that differ from those of the step before, in
    the context from those of the row before, and ``merged`` those that do not as float32.
    """

    part: Part
    rows: int = 0
    classes: Counter[ValueClass] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    values: set[Any] = field(default_factory=set)
    numbers: int = 0
    total: float = 0.0
    nulls: int = 0
    changes: int = 0
    merged: int = 0
    absent: int = 0
    varies: bool = False
    _first: Any = None
    _last: Any = None

    def add(self, value: Any) -> None:
        """Counts the value of one more row in."""
        self.rows += 1
        steps = _steps(value, self.part)
        if not self.varies:
            known = [step for step in steps if step is not None]
            self._first = known[0] if self._first is None and known else self._first
            self.varies = any(step != self._first for step in known)
        found = _value_class(steps)
        self.classes[found] += 1
        if found == "vector":
            self.widths.update(len(step) for step in steps if step is not None)
        # The limit may be passed by one row: a set above it says that there are more values.
        elif found in ("whole", "text") and len(self.values) <= MAX_DISTINCT_VALUES:
            self.values.update(step for step in steps if step is not None)
        if found == "text":
            self.nulls += steps.count(None)
            self.numbers += len(steps) - steps.count(None)
        elif found != "other":
            self._count_numbers(steps)

    @property
    def value_class(self) -> ValueClass:
        """The class of most rows; where only some are whole numbers, all are numbers."""
        found = self.classes.most_common(1)[0][0]
        return "number" if found == "whole" and self.classes["number"] else found

    @property
    def has_gaps(self) -> bool:
        """Whether values are missing that can be filled: steps, or those of rows in the context."""
        return bool(self.nulls or (self.part == "context" and self.absent))

    @property
    def merges(self) -> bool:
        """Whether float32 cannot tell many of the numbers apart."""
        return self.merged > _MERGED * self.changes

    def _count_numbers(self, steps: list[Any]) -> None:
        rows = [step if isinstance(step, list) else [step] for step in steps]
        nulls = sum(row.count(None) for row in rows)
        self.nulls += nulls
        self.numbers += sum(map(len, rows)) - nulls
        if self.part == "context":
            self.total += float(
                min(max(sum(n for row in rows for n in row if n), -_LARGEST), _LARGEST)
            )
        known = [row for row in rows if None not in row and len(row) == len(rows[0])]
        if self.part == "context" and known:
            known, self._last = [*([self._last] if self._last else []), *known], known[-1]
        if len(known) < 2 or len({len(row) for row in known}) > 1:
            return
        import numpy as np  # a config is read without it

        try:
            doubles = np.array(known, np.float64)
        except OverflowError:
            return
        with np.errstate(over="ignore"):
            singles = doubles.astype(np.float32)
        differ = doubles[1:] != doubles[:-1]
        self.changes += int(np.count_nonzero(differ))
        self.merged += int(np.count_nonzero(differ & (singles[1:] == singles[:-1])))


def _steps(value: Any, part: Part) -> list[Any]:
    """A sequence as it is; a context value as a sequence of one step."""
    if part == "sequence":
        return value if isinstance(value, list) else [None]
    return [value]


def _value_class(steps: list[Any]) -> ValueClass:
    """Nulls among numbers or strings are missing values; alone they are of no class."""
    types = set(map(type, steps)) - {type(None)}
    if types == {list}:
        numbers = {type(number) for step in steps if step is not None for number in step}
        return "vector" if numbers and numbers <= _NUMBERS | {type(None)} else "other"
    if types == {int}:
        return "whole"
    if types == {str}:
        return "text"
    return "number" if types and types <= _NUMBERS else "other"
