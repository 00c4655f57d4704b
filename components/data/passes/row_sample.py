"""A sample of rows that is the same however they are read, and what is kept of each.

The sample has the rows whose ids have the smallest hashes (a bottom-k sketch: Cohen and Kaplan,
2007): samples of parts merge into that of the whole, and of two data sets the same rows are in
both. Of a row its summaries are kept, not its steps: rows are independent of each other, steps of a
row are not, so that a test on all steps would find differences that are none.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.artifacts.storage import open_atomically
from components.data.row_parsing import Row
from components.data.splits.by_id import hash_of_id
from components.features.config import FeaturesConfig

SAMPLE: Final = "sample.parquet"
"""Name of the file."""
SAMPLED_ROWS: Final = 2_000
"""Shares of them are within two points of those of all rows, 19 times in 20."""
COLUMNS: Final = 32
"""Of a vector's numbers the first so many: more checks would each see less."""
KEY, CONTENT = "key", "content"
_COMPLETE: Final = b"rnnflow.complete"

Summary: TypeAlias = str | NDArray[np.float64]


class Aspect(NamedTuple):
    """What is looked at: of the row, or of a feature by its name in the rows."""

    feature: str
    what: str
    """``value`` or ``token`` of one step, ``mean``, ``deviation`` or ``change`` over the steps, or
    ``length`` or ``label``."""

    @property
    def column(self) -> str:
        """Its column in the file: a feature may have any name."""
        return json.dumps(self)


LENGTH: Final = Aspect("", "length")
LABEL: Final = Aspect("", "label")


class _Kept(NamedTuple):
    key: bytes
    """The hash of the id; no two rows have the same."""
    content: bytes
    summaries: Mapping[Aspect, Summary]


def key_limit(rows: int) -> bytes | None:
    """Above which key no row of so many is looked at: four times as many as are sampled are below.

    So that the summaries of a large data set cost nothing; None if all are looked at.
    """
    share = 4 * SAMPLED_ROWS / max(1, rows)
    if share >= 1:
        return None
    return int(share * (1 << 64)).to_bytes(8, "big") + b"\xff" * 24


@dataclass
class RowSample:
    """The sample of some rows."""

    size: int = SAMPLED_ROWS
    limit: bytes | None = None
    """Of ``key_limit``."""
    is_complete: bool = True
    """Whether it has all rows."""
    _kept: list[_Kept] = field(default_factory=list)
    _bound: bytes | None = None
    """The largest key of the sample when it was last cut: none above it comes in any more."""

    def add(self, row: Row, labels: tuple[str, ...], features: FeaturesConfig) -> None:
        """Adds a row; nothing is computed for one that is not in the sample."""
        # By the end of the hash: its beginning decides the split.
        key = hash_of_id(row.id)[::-1]
        if (self.limit or key) < key or (self._bound or key) < key:
            self.is_complete = False
            return
        content = blake2b(digest_size=8)
        for value in row.values.values():
            content.update(b"\xff".join(value) if isinstance(value, list) else value.tobytes())
        self._kept.append(_Kept(key, content.digest(), _summaries(row, labels, features, key)))
        if len(self._kept) >= 2 * self.size:
            self._cut()

    def _cut(self) -> None:
        self.is_complete = self.is_complete and len(self._kept) <= self.size
        self._kept = heapq.nsmallest(self.size, self._kept, key=_key)
        if len(self._kept) == self.size:
            self._bound = self._kept[-1].key

    @property
    def rows(self) -> int:
        """How many there are."""
        return min(self.size, len(self._kept))

    def table(self) -> pa.Table:
        """The rows: ``key``, ``content``, and a column for each aspect."""
        self._cut()
        kept = self._kept
        columns = {
            KEY: pa.array([one.key for one in kept], pa.binary()),
            CONTENT: pa.array([one.content for one in kept], pa.binary()),
        }
        aspects = dict.fromkeys(aspect for one in kept for aspect in one.summaries)
        for aspect in aspects:
            values = [one.summaries.get(aspect) for one in kept]
            columns[aspect.column] = pa.array(
                [
                    each if each is None or isinstance(each, str) else each.tolist()
                    for each in values
                ]
            )
        return _marked(pa.table(columns), self.is_complete)


def merge_samples(samples: Iterable[pa.Table], size: int = SAMPLED_ROWS) -> pa.Table | None:
    """The sample of all rows, from those of its parts; None of none."""
    found = [each for each in samples if len(each)]
    if not found:
        return None
    # A part may lack an aspect, as one without labels does.
    together = pa.concat_tables(found, promote_options="permissive")
    is_whole = all(map(is_complete, found)) and len(together) <= size
    return _marked(together.sort_by(KEY).slice(0, size), is_whole)


def is_complete(sample: pa.Table) -> bool:
    """Whether the sample has all rows of its data."""
    return bool((sample.schema.metadata or {}).get(_COMPLETE) == b"true")


def _marked(sample: pa.Table, complete: bool) -> pa.Table:
    return sample.replace_schema_metadata({_COMPLETE: b"true" if complete else b"false"})


def write_sample(sample: pa.Table, path: Path) -> None:
    """Writes a sample into a file, whole."""
    with open_atomically(path, prefix=f".{path.name}.", suffix="") as file:
        pq.write_table(sample, file)


def find_sample(directory: Path) -> pa.Table | None:
    """What was written; None if there is no sample, as of a model of an older release."""
    path = directory / SAMPLE
    return pq.read_table(path) if path.is_file() else None


def _key(kept: _Kept) -> bytes:
    return kept.key


def _summaries(
    row: Row, labels: tuple[str, ...], features: FeaturesConfig, key: bytes
) -> dict[Aspect, Summary]:
    # One step of each row, whichever its hash says: these are independent of each other.
    step = int.from_bytes(key[:8], "big") % row.steps
    found: dict[Aspect, Summary] = {LENGTH: np.array([float(row.steps)])}
    if labels:
        found[LABEL] = labels[step] if len(labels) == row.steps else labels[0]
    for name, feature in features.by_name.items():
        values, shown = row.values[name], feature.in_rows(name)
        at = step if name in features.sequence else 0
        if feature.raw.dtype != "float32":
            token = values[at]
            text = token.decode(errors="replace") if isinstance(token, bytes) else str(token)
            found[Aspect(shown, "token")] = text
            continue
        numbers = np.asarray(values, np.float64)[:, :COLUMNS]
        found[Aspect(shown, "value")] = numbers[at]
        if name in features.sequence:
            found[Aspect(shown, "mean")] = numbers.mean(axis=0)
            found[Aspect(shown, "deviation")] = numbers.std(axis=0)
            changes = np.abs(np.diff(numbers, axis=0))
            empty = np.zeros(numbers.shape[1])
            found[Aspect(shown, "change")] = changes.mean(axis=0) if len(changes) else empty
    return found
