"""Rows on disk: the very batches of rows in memory, or an error that says what is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.values import Examples
from components.errors import DataError
from components.training import row_store
from components.training.datasets import make_row_stores, read_batches, reading_errors
from components.training.selection import Selection
from tests.components.conftest import Prepared

TRAIN = Selection(("train",))


@pytest.fixture
def examples(mixed: Prepared, tmp_path: Path) -> Examples:
    """A copy that a test may harm."""
    shutil.copytree(mixed.path, tmp_path / "examples")
    return Examples(str(tmp_path / "examples"), "d")


def numbers(batch: Any) -> list[Any]:
    """All values of a batch, down to the row splits."""
    tensors = tf.nest.flatten(batch, expand_composites=True)
    return [tensor.numpy().tolist() for tensor in tensors]


def shard_of(examples: Examples) -> Path:
    return next(path for path in sorted(Path(examples.path).glob("train-*")) if path.stat().st_size)


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize(("batch_size", "worker", "workers"), [(7, 0, 1), (5, 1, 3), (1, 1, 2)])
@pytest.mark.parametrize(
    "rows", [TRAIN, Selection(("train", "validation")), Selection(("train", "validation"), 3, 1)],
    ids=["a split", "two splits", "folds"],
)  # fmt: skip
def test_the_batches_are_those_of_rows_in_memory(
    mixed: Prepared, rows: Selection, batch_size: int, worker: int, workers: int, repeat: bool
) -> None:
    def batches(*, on_disk: bool) -> Iterator[Any]:
        dataset = read_batches(
            mixed.examples, rows, batch_size, shuffle_seed=5, repeat=repeat,
            worker=worker, workers=workers, on_disk=on_disk,
        )  # fmt: skip
        return iter(dataset.take(40) if repeat else dataset)

    in_memory, on_disk = batches(on_disk=False), batches(on_disk=True)
    for one, other in zip(in_memory, on_disk, strict=True):
        assert numbers(one) == numbers(other)
        assert [tensor.dtype for tensor in tf.nest.flatten(one, expand_composites=True)] == [
            tensor.dtype for tensor in tf.nest.flatten(other, expand_composites=True)
        ]


def test_rows_held_out_by_a_fold_come_in_the_order_of_the_files(mixed: Prepared) -> None:
    held_out = Selection(("train", "validation"), 3, 1, held_out=True)
    in_memory, on_disk = (
        [numbers(batch) for batch in read_batches(mixed.examples, held_out, 7, on_disk=where)]
        for where in (False, True)
    )
    assert in_memory == on_disk


@pytest.mark.parametrize("before", [0, 3, 16, 21])
@pytest.mark.parametrize(("was_on_disk", "on_disk"), [(True, True), (False, True), (True, False)])
def test_a_saved_iterator_holds_a_number_and_no_rows_and_continues_exactly(
    mixed: Prepared, tmp_path: Path, before: int, was_on_disk: bool, on_disk: bool
) -> None:
    """Also the other way: a training that was killed for want of memory goes on from disk."""

    def iterator(on_disk: bool) -> Any:
        return iter(read_batches(
            mixed.examples, "train", 4, shuffle_seed=9, repeat=True, on_disk=on_disk
        ))  # fmt: skip

    saved = iterator(was_on_disk)
    for _ in range(before):
        next(saved)
    path = tf.train.Checkpoint(iterator=saved).write(str(tmp_path / "position"))
    expected = [numbers(next(saved)) for _ in range(20)]
    restored = iterator(on_disk)
    tf.train.Checkpoint(iterator=restored).read(path).assert_consumed()
    assert [numbers(next(restored)) for _ in range(20)] == expected
    assert sum(file.stat().st_size for file in tmp_path.glob("position*")) < 4000


def test_a_row_with_more_features_than_the_system_reads_at_once(
    mixed: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch() -> list[Any]:
        return numbers(next(iter(read_batches(
            mixed.examples, "train", 9, shuffle_seed=2, on_disk=True
        ))))  # fmt: skip

    expected = batch()
    monkeypatch.setattr(row_store, "_PIECES", 2)
    assert batch() == expected


def test_rows_that_are_not_in_memory_are_read_from_the_disk(
    mixed: Prepared, monkeypatch: pytest.MonkeyPatch
) -> None:
    def batch() -> list[Any]:
        return numbers(next(iter(read_batches(
            mixed.examples, "train", 9, shuffle_seed=2, on_disk=True
        ))))  # fmt: skip

    expected = batch()
    read = os.preadv
    asked = []

    def not_in_memory(handle: int, pieces: Any, start: int, flags: int) -> int:
        if flags & os.RWF_NOWAIT:
            raise BlockingIOError
        asked.append(start)
        return read(handle, pieces, start, flags)

    monkeypatch.setattr(os, "preadv", not_in_memory)
    assert batch() == expected
    assert asked


def test_a_store_is_made_once_and_anew_when_a_shard_has_changed(examples: Examples) -> None:
    store = Path(examples.path) / "rows-train"
    make_row_stores(examples, TRAIN)
    made = store.stat().st_ino
    make_row_stores(examples, TRAIN)
    assert store.stat().st_ino == made
    shard = shard_of(examples)
    os.utime(shard, ns=(0, shard.stat().st_mtime_ns + 1))
    make_row_stores(examples, TRAIN)
    assert store.stat().st_ino != made


def _cut_within_a_record(shard: Path) -> None:
    with shard.open("r+b") as file:
        file.truncate(shard.stat().st_size - 5)


def _change_a_byte(shard: Path) -> None:
    with shard.open("r+b") as file:
        file.seek(shard.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("harm", [_cut_within_a_record, _change_a_byte])
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_shard_that_was_cut_off_or_changed_is_an_error(
    examples: Examples, harm: Callable[[Path], None], on_disk: bool
) -> None:
    make_row_stores(examples, TRAIN)
    harm(shard_of(examples))
    with pytest.raises(DataError, match=r"was changed or cut off.*Delete the directory") as raised:
        read_batches(examples, "train", 8, shuffle_seed=1, on_disk=on_disk)
    assert examples.path in str(raised.value)
    with pytest.raises(DataError, match="was changed or cut off"), reading_errors(examples):
        list(read_batches(examples, "train", 8))


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_shard_that_lacks_rows_is_an_error(examples: Examples, on_disk: bool) -> None:
    shard = shard_of(examples)
    records = list(tf.data.TFRecordDataset(str(shard)).as_numpy_iterator())
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records[:-1]:
            writer.write(record)
    with pytest.raises(DataError, match=r"expected to contain \d+ elements .* was changed or cut"):
        read_batches(examples, "train", 8, shuffle_seed=1, on_disk=on_disk)
    with pytest.raises(DataError, match="was changed or cut off"), reading_errors(examples):
        list(read_batches(examples, "train", 8))


@pytest.mark.parametrize("cut", [False, True])
def test_a_store_that_changes_while_it_is_read_is_an_error(examples: Examples, cut: bool) -> None:
    batches = read_batches(examples, "train", 8, shuffle_seed=1, on_disk=True)
    values = Path(examples.path) / "rows-train" / "values.bin"
    if cut:
        os.truncate(values, 0)
    else:
        with values.open("r+b") as file:
            file.write(b"other rows")
    expected = pytest.raises(DataError, match=r"rows-train/values\.bin was changed or cut off")
    with expected as raised, reading_errors(examples):
        list(batches)
    assert "Traceback" not in str(raised.value)


def test_labels_that_the_schema_lacks_are_an_error(examples: Examples) -> None:
    schema = Path(examples.path) / "schema.json"
    schema.write_text(schema.read_text().replace('"yes"', '"yes!"'))
    with pytest.raises(DataError, match=r"expected labels that schema\.json names, got 'yes'"):
        make_row_stores(examples, TRAIN)


def test_the_values_of_a_row_are_those_of_its_record(mixed: Prepared) -> None:
    """Without the code of the dataset: row k of the store is record k of the shards."""
    make_row_stores(mixed.examples, TRAIN)
    parsed = next(iter(read_batches(mixed.examples, "train", 10_000)))
    store = row_store.RowStore(
        [mixed.path / "rows-train"],
        read_batches(mixed.examples, "train", 1).element_spec,
        ("no", "yes", "übrig"),
    )
    rows = np.array([4, 0, 4, len(store) - 1])
    assert numbers(store.take(tf.constant(rows, tf.int64))) == numbers(
        tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), parsed)
    )
