"""Rows of one content in two splits: a model would be tested on what it was trained on.

The content is what the model reads of a row: the values of its features, after the checks. The
label does not count, as the model reads none: a row that comes again with another label is a leak
too, and a contradiction beside that, so that these are counted apart.

Two contents are the same if 64 bits of their hashes are: of a hundred million rows three in ten
thousand data sets would have a pair that is not. The rows of all chunks are dealt out to parts by
these bits, so that a worker holds one part of them at a time, some 250 bytes a row.
"""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter
from typing import TypeAlias

import numpy as np

from components.artifacts.values import SPLITS, Split
from components.data.row_parsing import Row

MOST_PARTS = 256
"""Of a hundred million rows 400,000 each, 100 MB."""
_BETWEEN = b"\xff"
"""No text in UTF-8 holds this byte."""
_SHOWN = 2
"""Pairs of rows that a message names."""

_Seen: TypeAlias = tuple[bytes, int, bytes, str]
"""Hash of the content, place of the split, hash of content and labels, id."""
Pair: TypeAlias = tuple[str, Split, str, Split]
"""The id and the split of a row, and of one with the same content in a split before that."""


@dataclass(frozen=True)
class RepeatedContents:
    """The validation and test rows whose content a split before theirs has too."""

    rows: Mapping[Split, int] = field(default_factory=dict)
    """By split; those without any are left out."""
    relabelled: int = 0
    """Those of them whose label no row of that content has there."""
    examples: tuple[Pair, ...] = ()
    """The first by their ids."""

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


NONE_REPEATED = RepeatedContents()


class Contents:
    """The contents of the rows of a chunk.

    Args:
        parts: how many parts there are: with as many as chunks, one has the rows of a chunk.
    """

    def __init__(self, parts: int) -> None:
        self._count = min(MOST_PARTS, parts)
        self._parts: dict[int, list[_Seen]] = defaultdict(list)

    def add(self, split: Split, row: Row) -> None:
        """Adds a row of a split."""
        # In the order of the config, which is that of every row; the steps tell their ends.
        values = [
            value.tobytes() if isinstance(value, np.ndarray) else _BETWEEN.join(value)
            for value in row.values.values()
        ]
        text = b"%d%b%b" % (row.steps, _BETWEEN, _BETWEEN.join(values))
        digest = blake2b(text, digest_size=8)
        content = digest.digest()
        digest.update("".join(f"{label}\0" for label in row.labels or ()).encode())
        seen = content, SPLITS.index(split), digest.digest(), row.id
        self._parts[content[0] % self._count].append(seen)

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """The number of each part, and its rows; as bytes, which Beam passes on as they are."""
        for part, rows in self._parts.items():
            yield part, pickle.dumps(rows)


def find_repeated(part: tuple[int, Iterable[bytes]]) -> RepeatedContents:
    """What is repeated among the rows of a part, of all chunks."""
    rows = sorted(seen for packed in part[1] for seen in pickle.loads(packed))
    counts: Counter[Split] = Counter()
    relabelled = 0
    pairs: list[Pair] = []
    for _, group in groupby(rows, key=itemgetter(0)):
        # Split by split, as sorted; once, however many rows there are of one content.
        before: set[bytes] = set()
        first: tuple[str, Split] | None = None
        for place, of_split in groupby(group, key=itemgetter(1)):
            split, same = SPLITS[place], list(of_split)
            ids = sorted(seen[3] for seen in same)
            if first is None:
                first = ids[0], split
            else:
                counts[split] += len(same)
                relabelled += sum(seen[2] not in before for seen in same)
                pairs += [(row_id, split, *first) for row_id in ids[:_SHOWN]]
            before |= {seen[2] for seen in same}
    return RepeatedContents(dict(counts), relabelled, tuple(sorted(pairs)[:_SHOWN]))


def merge_repeated(found: Iterable[RepeatedContents]) -> RepeatedContents:
    """What several parts found, together."""
    counts: Counter[Split] = Counter()
    relabelled = 0
    pairs: list[Pair] = []
    for one in found:
        counts.update(one.rows)
        relabelled += one.relabelled
        pairs = sorted([*pairs, *one.examples])[:_SHOWN]
    return RepeatedContents(dict(counts), relabelled, tuple(pairs))
