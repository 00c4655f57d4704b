"""Shards are sorted and whole, however the records came to their runs."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from components.data.passes.shards import (
    LEAST_SHARDS,
    SHARD_BYTES,
    Record,
    Run,
    shard_count,
    shard_name,
    write_runs,
    write_shard,
)

RECORDS: list[Record] = [(bytes([number]), b"record %d" % number) for number in range(20)]


@pytest.mark.parametrize("sizes", [(20,), (1, 19), (7, 7, 6)])
def test_a_shard_holds_the_records_of_all_runs_by_their_hashes(
    sizes: tuple[int, ...], tmp_path: Path
) -> None:
    left = RECORDS[::-1]
    runs: list[Run] = []
    for size in sizes:
        (_, run), (_, other) = write_runs({"s": left[:size], "t": [(b"", b"other")]}, tmp_path)
        assert other.records() == [(b"", b"other")]
        runs.append(run)
        left = left[size:]
    write_shard(("s", reversed(runs)), tmp_path)
    found = [record.numpy() for record in tf.data.TFRecordDataset(str(tmp_path / "s"))]
    assert found == [example for _, example in RECORDS]


def test_a_shard_that_no_row_falls_into_is_an_empty_file(tmp_path: Path) -> None:
    write_shard(("s", []), tmp_path)
    assert (tmp_path / "s").read_bytes() == b""


def test_the_number_of_shards_follows_from_the_size_of_the_data() -> None:
    assert shard_count(0) == shard_count(SHARD_BYTES) == LEAST_SHARDS
    assert shard_count(10 * SHARD_BYTES) == 10
    assert shard_count(10 * SHARD_BYTES + 1) == 11
    assert shard_name("train", 3, 11) == "train-00003-of-00011.tfrecord"
