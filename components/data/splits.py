"""Which split a row belongs to: that of its file, or one chosen by a stable hash of its id.

The hash places an id in [0, 1), always at the same place, so a row never changes its split when
rows are added, taken away or reordered. The test split takes the lowest band, validation the next.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from components.artifacts.values import Split
from components.config import DataConfig

_MANTISSA_BITS = 53


@dataclass(frozen=True)
class Bands:
    """The shares of [0, 1) that go to the test and the validation split; the rest trains."""

    test: float
    validation: float


def bands_of(data: DataConfig) -> Bands:
    """The bands of the training file: a split that has a file of its own takes no share of it."""
    test = 0.0 if data.test is not None else data.test_fraction
    validation = 0.0 if data.validation is not None else data.validation_fraction
    return Bands(test, validation)


def hash_of_id(row_id: str) -> bytes:
    """SHA-256 of the id: 32 bytes that place a row, order it and choose its shard."""
    return hashlib.sha256(row_id.encode()).digest()


def position(row_id: str) -> float:
    """Where the id lies in [0, 1): the first 53 bits of its hash, which a float holds exactly."""
    first = int.from_bytes(hash_of_id(row_id)[:8], "big")
    return (first >> (64 - _MANTISSA_BITS)) / float(1 << _MANTISSA_BITS)


def split_of(row_id: str, bands: Bands) -> Split:
    """The split that the id decides."""
    place = position(row_id)
    if place < bands.test:
        return "test"
    return "validation" if place < bands.test + bands.validation else "train"


def shard_of(row_id: str, shards: int) -> int:
    """The shard of the row, from bits of the hash that do not decide its split."""
    return int.from_bytes(hash_of_id(row_id)[-8:], "big") % shards
