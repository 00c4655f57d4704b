"""Together the workers read each row once an epoch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core import ArgumentError
from rnn_core.distribution.sharding import share, shuffles_without_seed
from rnn_core.loops.input_position import has_exact_state
from tests.rnn_core.samples import Data

Make = Callable[[], tf.data.Dataset]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Three files of four records each."""
    root = tmp_path_factory.mktemp("records")
    paths = [str(root / f"rows-{index}.tfrecord") for index in range(3)]
    for index, path in enumerate(paths):
        with tf.io.TFRecordWriter(path) as writer:
            for row in range(4):
                writer.write(f"{index}-{row}".encode())
    return paths


def _read(make: Make, workers: int) -> list[list[bytes]]:
    """The rows of each worker."""
    return [
        [row for batch in share(make(), worker, workers).as_numpy_iterator() for row in batch]
        for worker in range(workers)
    ]


def _each_once(shares: list[list[bytes]]) -> bool:
    rows = sorted(row for rows in shares for row in rows)
    return rows == sorted(f"{index}-{row}".encode() for index in range(3) for row in range(4))


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5])
def test_records_are_read_once_each_by_files_or_by_batches(workers: int, files: list[str]) -> None:
    datasets: list[Make] = [
        lambda: tf.data.TFRecordDataset(files).batch(3),
        lambda: (
            tf.data.Dataset.from_tensor_slices(files)
            .interleave(tf.data.TFRecordDataset)
            .shuffle(5, seed=1)
            .batch(2)
            .prefetch(1)
        ),
        lambda: (
            tf.data.Dataset.list_files(str(Path(files[0]).with_name("*")), shuffle=False)
            .flat_map(tf.data.TFRecordDataset)
            .batch(5)
        ),
    ]
    for make in datasets:
        assert _each_once(_read(make, workers))


def test_with_enough_files_each_worker_reads_its_own(files: list[str]) -> None:
    first, second = _read(lambda: tf.data.TFRecordDataset(files).batch(2), 2)
    assert {row[:1] for row in first} == {b"0", b"2"}
    assert {row[:1] for row in second} == {b"1"}


def test_files_may_be_shuffled_without_a_seed(files: list[str]) -> None:
    assert _each_once(_read(lambda: tf.data.TFRecordDataset(files).shuffle(20).batch(2), 3))


def test_rows_in_memory_are_dealt_out_by_batches() -> None:
    data = Data()
    batches = [list(share(data.eval_input(), worker, 2)) for worker in range(2)]
    assert [len(one) for one in batches] == [2, 2]
    labels = [labels.numpy() for one in batches for _, labels in one]
    assert sum(map(len, labels)) == len(data.labels)
    features, _ = batches[0][0]
    assert isinstance(features["numbers"], tf.RaggedTensor)


def test_batches_of_an_order_that_nobody_shares_cannot_be_dealt_out() -> None:
    with pytest.raises(ArgumentError, match="Give shuffle a seed"):
        share(tf.data.Dataset.range(9).shuffle(9).batch(2), 0, 2)
    share(tf.data.Dataset.range(9).shuffle(9, seed=3).batch(2), 0, 2)


def test_an_unseeded_shuffle_is_found_wherever_it_is() -> None:
    numbers = tf.data.Dataset.range(4)
    assert shuffles_without_seed(numbers.shuffle(3).repeat().batch(2))
    assert shuffles_without_seed(numbers.interleave(lambda x: tf.data.Dataset.range(x).shuffle(2)))
    assert not shuffles_without_seed(numbers.shuffle(3, seed=0).repeat())
    assert not shuffles_without_seed(numbers.batch(2))


def test_the_position_in_a_share_can_be_saved(files: list[str]) -> None:
    assert has_exact_state(share(tf.data.TFRecordDataset(files).batch(2), 1, 2))
