"""Which split a row belongs to: that of its file, or one chosen by a stable hash of its id.

Where the config has groups, the hash is that of the group; where it has a time, that decides
(``components.data.splits.by_time``).

The hash maps an id to a fixed position in [0, 1). The test split takes the lowest positions,
validation the next. So a row keeps its split when others are added, removed or reordered, and each
split gets its share of each class, but for chance. Chance may leave a split without a row of a
small class: there ``cuts_of`` moves a boundary, and with it the few rows that lie next to it.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from components.artifacts.values import Split
from components.config import DataConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.sources.source import Chunk, Record
from components.labels.kind import LabelKind
from components.labels.table import KINDS

_MANTISSA_BITS = 53
"""Of a float64: no position depends on rounding."""


@dataclass(frozen=True)
class SplitFractions:
    """The fractions of the rows that go to the test and the validation split; the rest trains."""

    test: float
    validation: float


def split_fractions(data: DataConfig) -> SplitFractions:
    """The fractions of the training file: a split with a file of its own takes none of it."""
    test = 0.0 if data.test is not None else data.test_fraction
    validation = 0.0 if data.validation is not None else data.validation_fraction
    return SplitFractions(test, validation)


def hash_of_id(row_id: str) -> bytes:
    """SHA-256 of the id: 32 bytes that decide a row's split, its order and its shard."""
    return hashlib.sha256(row_id.encode()).digest()


def position(row_id: str) -> float:
    """Where the id lies in [0, 1): the first 53 bits of its hash, which a float holds exactly."""
    first = int.from_bytes(hash_of_id(row_id)[:8], "big")
    return (first >> (64 - _MANTISSA_BITS)) / float(1 << _MANTISSA_BITS)


class Cuts(NamedTuple):
    """The ends of the test and of the validation split among the positions of a class."""

    test: float
    validation: float


ALL_TRAIN = Cuts(0.0, 0.0)

_LEAST_OF_SHARE = 3
"""A split has at least a third of its share of a class: chance alone seldom leaves it less, so that
few rows are ever moved."""


def cuts_of(positions: Sequence[float], fractions: SplitFractions) -> Cuts:
    """Where the splits of one class end, from the positions of its rows.

    Split s, whose fraction is f_s, gets at least q_s = max(1, floor(n f_s / 3)) of the n rows, or 0
    where f_s is 0. Let t and v count the positions below f_test and below f_test + f_validation. By
    position, the first t' rows are the test split, and those up to v' validation:

        t' = min(max(t, q_test), n - q_validation - q_train)
        v' = min(max(v, t' + q_validation), n - q_train)

    Rows that are fewer than the splits all train.
    """
    ordered = sorted(positions)
    rows = len(ordered)
    shares = (fractions.test, fractions.validation, 1 - fractions.test - fractions.validation)
    least = [max(1, int(rows * share / _LEAST_OF_SHARE)) if share else 0 for share in shares]
    if rows < sum(least):
        return ALL_TRAIN
    of_hash = Cuts(fractions.test, fractions.test + fractions.validation)
    below = [bisect_left(ordered, end) for end in of_hash]
    test = min(max(below[0], least[0]), rows - least[1] - least[2])
    validation = min(max(below[1], test + least[1]), rows - least[2])
    # Where a boundary need not move it stays that of the hash, which no other row can change.
    ends = (
        end if count == hashed else ordered[count]
        for end, count, hashed in zip(of_hash, (test, validation), below, strict=True)
    )
    return Cuts(*ends)


class TimeCuts(NamedTuple):
    """Where the validation and the test split begin, in seconds since 1970."""

    validation: float
    test: float

    def split_of(self, seconds: float) -> Split:
        """The split of a row that is as new as this."""
        if seconds >= self.test:
            return "test"
        return "validation" if seconds >= self.validation else "train"


@dataclass(frozen=True)
class SplitRule:
    """What decides the split and the class of a row, besides its file.

    ``cuts`` holds the classes whose splits do not end where those of the hash do; ``classes`` the
    labels that are not a class of their own: the one they belong to, or None for rows that are left
    out. ``rare`` counts the rows of each rare label, in all files.
    """

    fractions: SplitFractions
    cuts: Mapping[str, Cuts] = field(default_factory=dict)
    classes: Mapping[str, str | None] = field(default_factory=dict)
    rare: Mapping[str, int] = field(default_factory=dict)
    times: TimeCuts | None = None
    """Where the splits begin, if the time of a row decides."""
    newest_of_group: Mapping[str, float] = field(default_factory=dict)
    """How new each group is, if time decides."""

    def split_of_row(self, row: Row, label: str) -> Split:
        """The split of a row among those of this class."""
        if self.times is None:
            return self.split_of(row.group or row.id, label)
        if self.cuts.get(label) == ALL_TRAIN:
            return "train"
        return self.times.split_of(self.newest_of_group.get(row.group, row.seconds))

    def split_of(self, row_id: str, label: str) -> Split:
        """The split of a row among those of this class."""
        if label not in self.cuts:
            return split_of(row_id, self.fractions)
        where, cuts = position(row_id), self.cuts[label]
        if where < cuts.test:
            return "test"
        return "validation" if where < cuts.validation else "train"

    def trains_alone(self, label: str) -> bool:
        """Whether rows with this rare label are in the training split, whatever else they have."""
        return label in self.rare and self.cuts.get(label) == ALL_TRAIN


def split_of(row_id: str, fractions: SplitFractions) -> Split:
    """The split that the id alone decides."""
    where = position(row_id)
    if where < fractions.test:
        return "test"
    return "validation" if where < fractions.test + fractions.validation else "train"


def read_split_rows(
    chunk: Chunk, form: RowFormat, rule: SplitRule
) -> Iterator[tuple[Record, Split | None, Row | InvalidRow]]:
    """The rows of a chunk: each with its split and typed values, the labels being its classes.

    Instead of a split, None for a row that is invalid or that is left out.
    """
    kind = KINDS[form.label]
    for record in chunk.records():
        row = record.parse(form)
        if isinstance(row, InvalidRow):
            yield record, None, row
            continue
        split, known = place_row(row, chunk.split, rule, kind)
        yield record, split, row if known == row.labels else replace(row, labels=known)


def place_row(
    row: Row, split_of_file: Split | None, rule: SplitRule, kind: LabelKind
) -> tuple[Split | None, tuple[str, ...]]:
    """The split of a row, None if it is left out, and its labels as the classes of the model."""
    labels = row.labels or ()
    known = kind.known_labels(labels, rule.classes)
    if known is None:
        return None, labels
    alone = (label for label in known if rule.trains_alone(label))
    stratum = next(alone, None) or kind.stratum(known)
    return split_of_file or rule.split_of_row(row, stratum), known


def shard_of(hash_of_row: bytes, shards: int) -> int:
    """The shard of the row, from bits of the hash of its id that do not decide its split.

    So the rows of every split are spread over all shards.
    """
    return int.from_bytes(hash_of_row[-8:], "big") % shards
