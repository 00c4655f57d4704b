"""Which split a row belongs to: that of its file, or one chosen by a stable hash of its id.

The hash maps an id to a fixed position in [0, 1), so a row never changes its split when rows are
added, removed or reordered. The test split takes the lowest positions, validation the next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from components.artifacts.values import Split
from components.config import DataConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.sources.source import Chunk, Record

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


def split_of(row_id: str, fractions: SplitFractions) -> Split:
    """The split that the id decides."""
    where = position(row_id)
    if where < fractions.test:
        return "test"
    return "validation" if where < fractions.test + fractions.validation else "train"


def read_split_rows(
    chunk: Chunk, form: RowFormat, fractions: SplitFractions
) -> Iterator[tuple[Record, Split, Row] | tuple[Record, None, InvalidRow]]:
    """The rows of a chunk: each with its split and typed values, or None and why it is invalid."""
    for record in chunk.records():
        row = record.parse(form)
        if isinstance(row, InvalidRow):
            yield record, None, row
        else:
            yield record, chunk.split or split_of(row.id, fractions), row


def shard_of(row_id: str, shards: int) -> int:
    """The shard of the row, from bits of the hash that do not decide its split.

    So the rows of every split are spread over all shards.
    """
    return int.from_bytes(hash_of_id(row_id)[-8:], "big") % shards
