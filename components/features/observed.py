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


@dataclass
class Observed:
    """One feature: the rows that have it, the classes of their values, widths of vectors, values.

    ``values`` are the distinct whole numbers or strings.
    """

    part: Part
    rows: int = 0
    classes: Counter[ValueClass] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    values: set[Any] = field(default_factory=set)

    def add(self, value: Any) -> None:
        """Counts the value of one more row in."""
        self.rows += 1
        steps = _steps(value, self.part)
        found = _value_class(steps)
        self.classes[found] += 1
        if found == "vector":
            self.widths.update(map(len, steps))
        # The limit may be passed by one row: a set above it says that there are more values.
        elif found in ("whole", "text") and len(self.values) <= MAX_DISTINCT_VALUES:
            self.values.update(steps)

    @property
    def value_class(self) -> ValueClass:
        """The class of most rows; where only some are whole numbers, all are numbers."""
        found = self.classes.most_common(1)[0][0]
        return "number" if found == "whole" and self.classes["number"] else found


def _steps(value: Any, part: Part) -> list[Any]:
    """A sequence as it is; a context value as a sequence of one step."""
    if part == "sequence":
        return value if isinstance(value, list) else [None]
    return [value]


def _value_class(steps: list[Any]) -> ValueClass:
    types = set(map(type, steps))
    if types == {list}:
        numbers = {type(number) for step in steps for number in step}
        return "vector" if numbers and numbers <= {int, float} else "other"
    if types == {int}:
        return "whole"
    if types == {str}:
        return "text"
    return "number" if types and types <= {int, float} else "other"
