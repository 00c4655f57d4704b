"""Finds rows with one id, and rows of one content, among all chunks.

Each row has two keys, a hash of its id and one of its content, in two files beside its chunk. There
they lie in *parts* by the first bits of the key, so that equal keys of all chunks are in one part:
whoever searches a part reads its keys from all chunks, and holds no others.

Two contents are the same if 64 bits of their hashes are: of a hundred million rows three in ten
thousand data sets would have a pair that is not. An id has 128 bits.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from components.artifacts.values import SPLITS, Split
from components.data.passes.typed_rows import NO_SPLIT, TypedRows
from components.data.repeats import (
    NO_DUPLICATES,
    NONE_REPEATED,
    SHOWN_IDS,
    SHOWN_PAIRS,
    Duplicates,
    Occurrence,
    Pair,
    RepeatedContents,
    RepeatedId,
)
from components.data.row_parsing import Row

_CHUNKS_A_PART = 64
"""Of 4 MB: the keys of a part are then some megabytes, whatever the rows are."""
_BETWEEN = b"\xff"
"""No text in UTF-8 holds this byte."""
_KEY = np.dtype(
    [
        ("key", "<u8"),
        ("more", "<u8"),  # of an id the other half, of a content the hash with the labels
        ("chunk", "<u4"),
        ("row", "<u4"),
        ("split", "i1"),
    ]
)

_Kind: TypeAlias = Literal["ids", "contents"]
Part: TypeAlias = tuple[_Kind, int]
"""Which keys are together. A tuple: Beam groups by it."""


class Keys(NamedTuple):
    """The keys of one chunk in one part: rows of ``_KEY`` in a file."""

    rows: TypedRows
    source: str
    path: str
    begin: int
    length: int

    def read(self) -> NDArray[np.void]:
        """The keys, [length]."""
        return np.fromfile(self.path, _KEY, self.length, offset=self.begin * _KEY.itemsize)


class RowKeys:
    """Collects the keys of the rows of a chunk."""

    def __init__(self, rows: TypedRows, source: str) -> None:
        self._rows = rows
        self._source = source
        self._ids: list[bytes] = []
        self._contents: list[bytes] = []
        self._places: list[int] = []

    def add(self, row: Row, split: Split | None, labels: Sequence[str]) -> None:
        """Adds the next row: its split, or None if it is left out, and its classes."""
        self._places.append(NO_SPLIT if split is None else SPLITS.index(split))
        self._ids.append(blake2b(row.id.encode(), digest_size=16).digest())
        # In the order of the config, which is that of every row; the steps tell their ends.
        digest = blake2b(b"%d" % row.steps, digest_size=8)
        for value in row.values.values():
            digest.update(_BETWEEN)
            digest.update(_BETWEEN.join(value) if isinstance(value, list) else value.tobytes())
        content = digest.digest()
        digest.update("".join(f"{label}\0" for label in labels).encode())
        self._contents.append(content + digest.digest())

    def write(self, chunks: int) -> Iterator[tuple[Part, Keys]]:
        """Writes the keys, of which there are so many chunks; yields what is in which part."""
        parts = 1 + (chunks - 1) // _CHUNKS_A_PART
        kinds: dict[_Kind, list[bytes]] = {"ids": self._ids, "contents": self._contents}
        for kind, digests in kinds.items():
            keys = np.zeros(len(digests), _KEY)
            halves = np.frombuffer(b"".join(digests), "<u8").reshape(-1, 2)
            keys["key"], keys["more"] = halves[:, 0], halves[:, 1]
            keys["chunk"], keys["row"] = self._rows.number, np.arange(len(digests))
            keys["split"] = self._places
            if kind == "contents":
                keys = keys[keys["split"] != NO_SPLIT]
            part_of = keys["key"] % np.uint64(parts)
            order = np.argsort(part_of, kind="stable")
            path = Path(self._rows.directory) / f"{self._rows.number:06}.{kind}"
            keys[order].tofile(path)
            ends = np.searchsorted(part_of[order], np.arange(parts + 1, dtype=np.uint64)).tolist()
            for part, (begin, end) in enumerate(itertools.pairwise(ends)):
                if begin < end:
                    found = Keys(self._rows, self._source, str(path), begin, end - begin)
                    yield (kind, part), found


@dataclass(frozen=True)
class Matches:
    """What occurs more often than it should."""

    duplicates: Duplicates = NO_DUPLICATES
    repeated: RepeatedContents = NONE_REPEATED


def find_matches(part: Part, keys: Iterable[Keys]) -> Matches:
    """What is repeated among the rows of a part, of all chunks."""
    found = {each.rows.number: each for each in keys}
    table = np.concatenate([each.read() for each in found.values()])
    if part[0] == "ids":
        return Matches(duplicates=_duplicates(table, found))
    return Matches(repeated=_repeated(table, found))


def merge_matches(found: Iterable[Matches]) -> Matches:
    """What several parts found, together."""
    every = list(found)
    return Matches(
        Duplicates.merge(one.duplicates for one in every),
        RepeatedContents.merge(one.repeated for one in every),
    )


class _Found(NamedTuple):
    """A row whose key another row has, too."""

    key: int
    split: int
    more: int
    id: str
    at: Occurrence


def _duplicates(table: NDArray[np.void], chunks: Mapping[int, Keys]) -> Duplicates:
    table = table[np.lexsort((table["more"], table["key"]))]
    follows = (table["key"][1:] == table["key"][:-1]) & (table["more"][1:] == table["more"][:-1])
    repeats = np.append(follows, False) | np.insert(follows, 0, False)
    rows = sorted(_found(table[repeats], chunks), key=lambda row: (row.id, row.at))
    examples: list[RepeatedId] = []
    count = in_two_splits = 0
    for row_id, each in itertools.groupby(rows, key=lambda row: row.id):
        same = list(each)
        count += 1
        in_two_splits += len({row.split for row in same}) > 1
        places = tuple(row.at for row in same[:SHOWN_IDS])
        examples = sorted([*examples, RepeatedId(places, row_id, len(same))])[:SHOWN_IDS]
    return Duplicates(count, in_two_splits, tuple(examples))


def _repeated(table: NDArray[np.void], chunks: Mapping[int, Keys]) -> RepeatedContents:
    # Of most data nothing is left after this.
    table = table[np.lexsort((table["split"], table["key"]))]
    equal = table["key"][1:] == table["key"][:-1]
    in_two = equal & (table["split"][1:] != table["split"][:-1])
    table = table[np.isin(table["key"], table["key"][1:][in_two])]
    counts: Counter[Split] = Counter()
    relabelled = 0
    pairs: list[Pair] = []
    for _, group in itertools.groupby(sorted(_found(table, chunks)), key=lambda row: row.key):
        # Split by split, as sorted; once, however many rows there are of one content.
        before: set[int] = set()
        first: tuple[str, Split] | None = None
        for place, of_split in itertools.groupby(group, key=lambda row: row.split):
            split, same = SPLITS[place], list(of_split)
            ids = sorted(row.id for row in same)
            if first is None:
                first = ids[0], split
            else:
                counts[split] += len(same)
                relabelled += sum(row.more not in before for row in same)
                pairs += [(row_id, split, *first) for row_id in ids[:SHOWN_PAIRS]]
            before |= {row.more for row in same}
    return RepeatedContents(dict(counts), relabelled, tuple(sorted(pairs)[:SHOWN_PAIRS]))


def _found(table: NDArray[np.void], chunks: Mapping[int, Keys]) -> list[_Found]:
    """The rows of some keys, with what a message says of them."""
    rows = []
    for index in np.unique(table["chunk"]).tolist():
        keys = table[table["chunk"] == index]
        names = chunks[index].rows.keys(keys["row"])
        for key, name in zip(keys, names, strict=True):
            at = Occurrence(chunks[index].source, name.number)
            plain = int(key["key"]), int(key["split"]), int(key["more"])
            rows.append(_Found(*plain, name.id, at))
    return rows
