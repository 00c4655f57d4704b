"""Examples become shards: sorted files, of which a worker holds one at a time.

A worker that has encoded a batch writes its examples as *runs*, one for each shard that they fall
into, into a file of its own. Beam passes on where the runs are, never the examples; who writes a
shard reads its runs, sorts them by the hash of the id, and writes. So the shards are the same
whatever the batches, their order and the number of workers are.
"""

from __future__ import annotations

import pickle
import uuid
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, TypeAlias

import tensorflow as tf

Record: TypeAlias = tuple[bytes, bytes]
"""Hash of the id, by which the records of a shard are sorted, and the serialized example."""
Shard: TypeAlias = str
"""The name of one of the files that a split is written to. A text: Beam groups by it."""

SHARD_BYTES = 128 << 20
"""A shard has about so many bytes: little enough to be sorted in memory, several times over."""
LEAST_SHARDS = 2
"""So that two workers of a training read what they need, and not all of it."""


class Run(NamedTuple):
    """Records of one shard in a file: where they begin, and their size in bytes."""

    path: str
    begin: int
    size_bytes: int

    def records(self) -> list[Record]:
        """The records, in any order."""
        with Path(self.path).open("rb") as file:
            file.seek(self.begin)
            records: list[Record] = pickle.loads(file.read(self.size_bytes))
        return records


def shard_name(name: str, number: int, count: int) -> Shard:
    """``<name>-<number>-of-<count>.tfrecord``."""
    return f"{name}-{number:05}-of-{count:05}.tfrecord"


def shard_count(size_bytes: int) -> int:
    """How many shards there are of each split, by the size of all examples together."""
    return max(LEAST_SHARDS, -(-size_bytes // SHARD_BYTES))


def write_runs(
    records: Mapping[Shard, list[Record]], directory: Path
) -> Iterator[tuple[Shard, Run]]:
    """Writes the records into one new file, and yields where those of each shard are."""
    # A name of its own: Beam may have a batch encoded twice, and takes the runs of one attempt.
    path = directory / f"{uuid.uuid4().hex}.runs"
    runs = []
    with path.open("wb") as file:
        for shard, each in records.items():
            begin = file.tell()
            file.write(pickle.dumps(each))
            runs.append((shard, Run(str(path), begin, file.tell() - begin)))
    yield from runs


def write_shard(group: tuple[Shard, Iterable[Run]], directory: Path) -> None:
    """Writes the records of all runs of a shard, sorted; without any the file is empty."""
    shard, runs = group
    records = sorted(chain.from_iterable(run.records() for run in runs), key=itemgetter(0))
    with tf.io.TFRecordWriter(str(directory / shard)) as writer:
        for _, example in records:
            writer.write(example)
