"""Splits by time: the newest rows are the test split, and those before them validation.

A row is as new as its time says, or, where the config has groups, as the newest row of its group,
so that a group stays in one split. What is old trains, as it will when the model serves.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from components.config import DataConfig
from components.data.row_parsing import Row, RowFormat
from components.data.sources.source import Chunk
from components.data.splits.by_id import TimeCuts, hash_of_id, split_fractions

_DAY_SECONDS = 86_400.0
_SAMPLED_ROWS = 20_000
"""Of more rows a sample says where a fraction begins, to a fraction of a percent."""


class _SampledRow(NamedTuple):
    key: bytes
    """By which rows are sampled, whatever the parts of the data are."""
    group: str
    seconds: float


@dataclass
class Times:
    """The times of the rows that no file sends to a split."""

    newest_of_group: dict[str, float] = field(default_factory=dict)
    sample: list[_SampledRow] = field(default_factory=list)
    newest: float = float("-inf")

    def add(self, row: Row) -> None:
        """Adds a row."""
        self.newest = max(self.newest, row.seconds)
        if row.group:
            known = self.newest_of_group.get(row.group, row.seconds)
            self.newest_of_group[row.group] = max(known, row.seconds)
        self.sample.append(_SampledRow(hash_of_id(row.id), row.group, row.seconds))
        if len(self.sample) > 2 * _SAMPLED_ROWS:
            self.sample = heapq.nsmallest(_SAMPLED_ROWS, self.sample)

    def cuts(self, data: DataConfig) -> TimeCuts:
        """Where the splits begin: so many days before the newest row, or by fractions of the rows.

        Rows of one time are in one split.
        """
        seconds = sorted(self.newest_of_group.get(row.group, row.seconds) for row in self.sample)
        fractions = split_fractions(data)

        def begin(end: float, newest: float, fraction: float, days: float | None) -> float:
            """Of the split that ends there, whose rows are those before it."""
            if not fraction or not seconds:
                return end
            if days is not None:
                return min(end, newest - days * _DAY_SECONDS)
            before = bisect_left(seconds, end)
            wanted = max(1, round(fraction * len(seconds)))
            return seconds[max(0, before - wanted)]

        test = begin(float("inf"), self.newest, fractions.test, data.split.test_days)
        before_test = min(test, self.newest)
        days = data.split.validation_days
        return TimeCuts(begin(test, before_test, fractions.validation, days), test)


def read_times(chunks: Iterable[Chunk], form: RowFormat) -> Times:
    """The times of the valid rows of these parts of the data."""
    times = Times()
    for chunk in chunks:
        if chunk.split is not None:
            continue
        for record in chunk.records():
            row = record.parse(form)
            if isinstance(row, Row):
                times.add(row)
    return times


def merge_times(parts: Iterable[Times]) -> Times:
    """The times of all parts; changes none of them."""
    merged = Times()
    for part in parts:
        merged.newest = max(merged.newest, part.newest)
        for group, seconds in part.newest_of_group.items():
            known = merged.newest_of_group.get(group, seconds)
            merged.newest_of_group[group] = max(known, seconds)
        merged.sample = heapq.nsmallest(_SAMPLED_ROWS, [*merged.sample, *part.sample])
    return merged
