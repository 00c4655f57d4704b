"""Whole numbers that stand for things: event types, item ids."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic.dataclasses import dataclass

from components.config import STRICT, NonNegativeInt, PositiveInt
from components.features.embedding import GivesIds, proposed_dimension
from components.features.kind import FeatureKind, ValueType
from components.features.observed import MAX_DISTINCT_VALUES, Observed

# Ids are usually numbered without gaps; amounts such as prices leave most numbers out.
_DENSE = 0.8
"""Least share of the numbers up to the largest that ids, unlike amounts, make use of."""


@dataclass(frozen=True, config=STRICT)
class IdFeature(GivesIds, FeatureKind):
    """Whole numbers in [0, size): event types, item ids."""

    kind: Literal["id"]
    """Whole numbers as ids."""
    size: PositiveInt
    """Ids run from 0 to size - 1."""
    embedding_dimension: PositiveInt | None = None
    """Size of the learned vector; without it the id is one-hot."""
    missing: NonNegativeInt | None = None
    """What a null in a sequence, or a value that the context lacks, is read as: an id below
    ``size``; without this the row is invalid."""
    name_in_rows: str | None = None
    """What the rows call the feature, where its key here is not that name."""

    def __post_init__(self) -> None:
        if self.missing is not None and self.missing >= self.size:
            raise ValueError(f"missing: {self.missing} is no id below size = {self.size}")

    @property
    def filled_with(self) -> int | None:
        """As ``missing`` says."""
        return self.missing

    @property
    def raw(self) -> ValueType:
        """The id, also as the model takes it."""
        return ValueType("int64")

    @property
    def id_limit(self) -> int:
        """The ``size``."""
        return self.size

    def id_count(self, name: str, transform_output: Any) -> int | None:
        """The ``size``."""
        del name, transform_output
        return self.size

    @classmethod
    def infer(cls, observed: Observed) -> Self | None:
        """Whole numbers that use nearly every value from 0 or 1 on."""
        values = observed.values
        if observed.value_class != "whole" or len(values) < 2:
            return None
        lowest, highest = min(values), max(values)
        if lowest not in (0, 1) or highest >= MAX_DISTINCT_VALUES:
            return None
        if len(values) < _DENSE * (highest + 1 - lowest):
            return None
        # An id that no value has stands for those that are missing.
        missing = None if not observed.has_gaps else 0 if lowest else highest + 1
        size = max(highest, missing or 0) + 1
        return cls(
            kind="id",
            size=size,
            embedding_dimension=proposed_dimension(size),
            missing=missing,
        )

    def doubt(self) -> str | None:
        """Amounts may look like ids."""
        return (
            f"holds whole numbers up to {self.size - 1} and is taken as ids; if they are amounts, "
            "make it {kind: numeric}."
        )
