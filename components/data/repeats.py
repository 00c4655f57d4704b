"""Ids that occur more than once, and contents that are in two splits.

The content is what the model reads of a row: the values of its features, after the checks. The
label does not count, as the model reads none: a row that comes again with another label is a leak
too, and a contradiction beside that, so that these are counted apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from components.artifacts.values import SPLITS, Split

SHOWN_IDS = 5
"""Repeated ids that a message names, and rows of each."""
SHOWN_PAIRS = 2
"""Pairs of rows of one content that a message names."""

Pair: TypeAlias = tuple[str, Split, str, Split]
"""The id and the split of a row, and of one with the same content in a split before that."""


class Occurrence(NamedTuple):
    """Where an id occurs."""

    path: str
    number: int
    """Of the row."""


class RepeatedId(NamedTuple):
    """An id that occurs more than once."""

    first: tuple[Occurrence, ...]
    """The first rows that have it, in the order of paths and numbers."""
    id: str
    rows: int
    """How many have it."""


@dataclass(frozen=True)
class Duplicates:
    """The ids that occur more than once."""

    count: int = 0
    in_two_splits: int = 0
    """Those with rows in two splits: the same row in training and test makes metrics too good."""
    examples: tuple[RepeatedId, ...] = ()
    """The first by where they occur."""

    @classmethod
    def merge(cls, found: Iterable[Duplicates]) -> Duplicates:
        """What several parts found, together."""
        every = list(found)
        examples = sorted(example for one in every for example in one.examples)
        return cls(
            sum(one.count for one in every),
            sum(one.in_two_splits for one in every),
            tuple(examples[:SHOWN_IDS]),
        )


@dataclass(frozen=True)
class RepeatedContents:
    """The validation and test rows whose content a split before theirs has too."""

    rows: Mapping[Split, int] = field(default_factory=dict)
    """By split; those without any are left out."""
    relabelled: int = 0
    """Those of them whose label no row of that content has there."""
    examples: tuple[Pair, ...] = ()
    """The first by their ids."""

    @classmethod
    def merge(cls, found: Iterable[RepeatedContents]) -> RepeatedContents:
        """What several parts found, together."""
        every = list(found)
        counts: Counter[Split] = Counter()
        for one in every:
            counts.update(one.rows)
        pairs = sorted(pair for one in every for pair in one.examples)
        relabelled = sum(one.relabelled for one in every)
        return cls(dict(counts), relabelled, tuple(pairs[:SHOWN_PAIRS]))

    def told(self) -> str:
        """A clause, with the beginning of the examples; empty if there are none."""
        if not self.rows:
            return ""
        counts = " and ".join(
            f"{self.rows[split]:,} {split}" for split in reversed(SPLITS) if split in self.rows
        )
        shown = "; ".join(
            f"{ours!r} ({split}) and {theirs!r} ({other})"
            for ours, split, theirs, other in self.examples
        )
        again = f"; {self.relabelled:,} of them with another label" if self.relabelled else ""
        return f"{counts} rows have the content of a row in another split, as {shown}{again}"


NO_DUPLICATES = Duplicates()
NONE_REPEATED = RepeatedContents()
