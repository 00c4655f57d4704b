"""What the values of a feature look like over all rows, and which kind of feature they make."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from components.config import (
    FEATURE_NAME,
    RESERVED_NAMES,
    Feature,
    IdFeature,
    NumericFeature,
    VocabularyFeature,
)

Part: TypeAlias = Literal["sequence", "context"]
_Kind: TypeAlias = Literal["whole", "number", "vector", "text", "other"]

_LARGEST_ID_SIZE = 100_000
_LARGEST_VOCABULARY = 10_000
_LARGEST_ONE_HOT = 16
_LARGEST_EMBEDDING = 64


@dataclass
class Observed:
    """One feature: the rows that have it, the kinds of their values, widths of vectors, values."""

    part: Part
    rows: int = 0
    kinds: Counter[_Kind] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    values: set[Any] = field(default_factory=set)

    def add(self, value: Any) -> None:
        """Looks at the value of one more row."""
        self.rows += 1
        steps = _steps(value, self.part)
        kind = _kind_of(steps)
        self.kinds[kind] += 1
        if kind == "vector":
            self.widths.update(map(len, steps))
        elif kind in ("whole", "text") and len(self.values) <= _LARGEST_ID_SIZE:
            self.values.update(steps)

    @property
    def kind(self) -> _Kind:
        """The kind of most rows; where only some are whole numbers, all are numbers."""
        kind = self.kinds.most_common(1)[0][0]
        return "number" if kind == "whole" and self.kinds["number"] else kind


def why_left_out(name: str, seen: Observed, rows: int, allowed_fraction: float) -> str | None:
    """Why a feature cannot be proposed; None if it can."""
    if name in RESERVED_NAMES:
        return "rename it; every row has a field of this name."
    if not FEATURE_NAME.fullmatch(name):
        return "rename it; letters, digits, '_', '.' and '-' make a name."
    missing = rows - seen.rows
    if missing > allowed_fraction * rows:
        return f"{missing:,} of {rows:,} rows do not have it."
    if seen.kind == "other":
        where = "a list of numbers or strings" if seen.part == "sequence" else "a number or string"
        return f"{where} was expected in each row."
    return None


def feature_for(seen: Observed) -> Feature:
    """The feature that takes such values."""
    if seen.kind == "vector":
        return NumericFeature(kind="numeric", width=seen.widths.most_common(1)[0][0])
    if seen.kind == "text":
        return _vocabulary(seen)
    if seen.kind == "whole" and _looks_like_ids(seen.values):
        size = max(seen.values) + 1
        return IdFeature(kind="id", size=size, embedding_dimension=_embedding(size))
    return NumericFeature(kind="numeric")


def _steps(value: Any, part: Part) -> list[Any]:
    """A sequence as it is; a context value as a sequence of one step."""
    if part == "sequence":
        return value if isinstance(value, list) else [None]
    return [value]


def _kind_of(steps: list[Any]) -> _Kind:
    types = set(map(type, steps))
    if types == {list}:
        numbers = {type(number) for step in steps for number in step}
        return "vector" if numbers and numbers <= {int, float} else "other"
    if types == {int}:
        return "whole"
    if types == {str}:
        return "text"
    return "number" if types and types <= {int, float} else "other"


def _looks_like_ids(values: set[int]) -> bool:
    """Whether whole numbers use nearly every value from 0 or 1 on."""
    lowest, highest = min(values), max(values)
    is_dense = len(values) >= 0.8 * (highest + 1 - lowest)
    return lowest in (0, 1) and 0 < highest < _LARGEST_ID_SIZE and is_dense and len(values) > 1


def _vocabulary(seen: Observed) -> VocabularyFeature:
    distinct = len(seen.values)
    return VocabularyFeature(
        kind="token" if seen.part == "sequence" else "categorical",
        max_size=_LARGEST_VOCABULARY if distinct > _LARGEST_VOCABULARY else None,
        embedding_dimension=_embedding(min(distinct, _LARGEST_VOCABULARY)),
    )


def _embedding(size: int) -> int | None:
    """A power of two near the square root; few ids are one-hot."""
    if size <= _LARGEST_ONE_HOT:
        return None
    return min(_LARGEST_EMBEDDING, 1 << round(math.log2(size) / 2 + 0.5))
