"""Batches come in a known form, and in an order that a seed repeats."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from components.artifacts.values import Examples
from components.errors import NotFoundError
from components.training.datasets import count, read_batches, read_ids, read_raw_records
from tests.components.conftest import MIXED, Prepared


def lengths(batch: tuple[dict[str, Any], tf.Tensor]) -> list[int]:
    return batch[0]["coefficients"].row_lengths().numpy().tolist()


def firsts(batch: tuple[dict[str, Any], tf.Tensor]) -> list[float]:
    """The first number of every sequence: which rows came, and in which order."""
    return batch[0]["coefficients"].to_tensor()[:, :1, 0].numpy().ravel().tolist()


def fingerprints(dataset: tf.data.Dataset) -> list[list[float]]:
    return [firsts(batch) for batch in dataset]


def first_numbers(iterator: Any, batches: int) -> list[list[float]]:
    return [firsts(next(iterator)) for _ in range(batches)]


def test_features_have_the_form_that_parsing_documents(mixed: Prepared) -> None:
    dataset = read_batches(mixed.examples, "train", 8)
    features, labels = next(iter(dataset))
    forms = {name: (type(v).__name__, v.shape.as_list(), v.dtype) for name, v in features.items()}
    ragged = tf.RaggedTensor.__name__
    dense = type(labels).__name__
    assert forms == {
        "motion": (ragged, [8, None, 3], tf.float32),
        "pulse": (ragged, [8, None, 1], tf.float32),
        "word-1.a": (ragged, [8, None], tf.int64),
        "event": (ragged, [8, None], tf.int64),
        "size": (dense, [8, 2], tf.float32),
        "age": (dense, [8, 1], tf.float32),
        "colour": (dense, [8, 1], tf.int64),
        "Laden": (dense, [8, 1], tf.int64),
        # 14 statistics of 4 columns, the length, 84 convolutions and 16 buckets.
        "summaries": (dense, [8, 14 * 4 + 1 + 84 + 16], tf.float32),
    }
    assert (labels.shape.as_list(), labels.dtype) == ([8], tf.string)
    assert all(features[name].ragged_rank == 1 for name in MIXED.sequence)


def test_without_a_seed_the_rows_come_in_the_order_of_the_ids(mixed: Prepared) -> None:
    by_id = {row["id"]: row for row in mixed.rows}
    batches = list(read_batches(mixed.examples, "test", 7))
    read = [label.decode() for _, labels in batches for label in labels.numpy()]
    assert read == [by_id[row_id]["label"] for row_id in read_ids(mixed.examples, "test")]
    steps = [length for features, _ in batches for length in features["event"].row_lengths()]
    assert steps == [
        len(by_id[row_id]["sequence"]["event"]) for row_id in read_ids(mixed.examples, "test")
    ]


def test_one_pass_holds_every_example_once_and_a_smaller_last_batch(vowels: Prepared) -> None:
    for seed in (None, 3):
        sizes = [len(lengths(batch)) for batch in read_batches(
            vowels.examples, "test", 100, shuffle_seed=seed)]  # fmt: skip
        assert sizes == [100, 100, 100, 70]


def test_a_seed_repeats_the_order_and_another_changes_it(vowels: Prepared) -> None:
    def order(seed: int | None) -> list[list[float]]:
        return fingerprints(read_batches(vowels.examples, "test", 50, shuffle_seed=seed))

    assert order(1) == order(1)
    assert order(1) != order(2)
    assert order(1) != order(None)
    assert sorted(chain.from_iterable(order(1))) == sorted(chain.from_iterable(order(None)))


def test_the_order_does_not_depend_on_tensorflows_global_seed(vowels: Prepared) -> None:
    orders = []
    for seed in (1, 2):
        tf.random.set_seed(seed)
        orders.append(fingerprints(read_batches(vowels.examples, "test", 50, shuffle_seed=1)))
    assert orders[0] == orders[1]


def test_every_epoch_is_whole_and_has_an_order_of_its_own(vowels: Prepared) -> None:
    rows = count(vowels.examples, "validation")
    dataset = read_batches(
        vowels.examples, "validation", rows, shuffle_seed=5, repeat=True
    )  # fmt: skip
    epochs = fingerprints(dataset.take(3))
    assert epochs[0] != epochs[1] != epochs[2]
    assert sorted(epochs[0]) == sorted(epochs[1]) == sorted(epochs[2])


def test_batches_that_repeat_all_have_the_same_size(vowels: Prepared) -> None:
    dataset = read_batches(vowels.examples, "train", 64, shuffle_seed=5, repeat=True)
    assert {len(lengths(batch)) for batch in dataset.take(12)} == {64}


def test_an_iterator_that_was_saved_continues_exactly(vowels: Prepared, tmp_path: Path) -> None:
    def iterator() -> Any:
        return iter(read_batches(vowels.examples, "train", 50, shuffle_seed=9, repeat=True))

    saved = iterator()
    first_numbers(saved, 7)
    path = tf.train.Checkpoint(iterator=saved).write(str(tmp_path / "position"))
    expected = first_numbers(saved, 8)
    restored = iterator()
    tf.train.Checkpoint(iterator=restored).read(path).assert_consumed()
    assert first_numbers(restored, 8) == expected


def test_a_saved_iterator_holds_no_examples(vowels: Prepared, tmp_path: Path) -> None:
    iterator = iter(read_batches(vowels.examples, "train", 8, shuffle_seed=9, repeat=True))
    next(iterator)
    path = tf.train.Checkpoint(iterator=iterator).write(str(tmp_path / "position"))
    size = sum(file.stat().st_size for file in Path(path).parent.glob("position*"))
    data = sum(file.stat().st_size for file in vowels.path.glob("train-*"))
    assert size < data / 4


@pytest.mark.parametrize("repeat", [False, True])
@pytest.mark.parametrize("batch_size", [2, 50, 64])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_together_read_the_batches_of_one(
    vowels: Prepared, workers: int, batch_size: int, repeat: bool
) -> None:
    """370 rows: uneven last batches, and of two rows one for each of three workers but the last."""

    def batches(worker: int, workers: int) -> list[list[float]]:
        dataset = read_batches(
            vowels.examples, "test", batch_size, shuffle_seed=4, repeat=repeat,
            worker=worker, workers=workers,
        )  # fmt: skip
        return fingerprints(dataset.take(400 // batch_size) if repeat else dataset)

    shares = [batches(worker, workers) for worker in range(workers)]
    whole = batches(0, 1)
    assert {len(share) for share in shares} == {len(whole)}
    for number, batch in enumerate(whole):
        for worker, share in enumerate(shares):
            assert share[number] == batch[worker::workers]


def test_every_row_is_read_once_an_epoch_by_one_of_the_workers(mixed: Prepared) -> None:
    read = [
        label
        for worker in range(3)
        for _, labels in read_batches(
            mixed.examples, "train", 7, shuffle_seed=1, worker=worker, workers=3
        )
        for label in labels.numpy()
    ]
    whole = [
        label for _, labels in read_batches(mixed.examples, "train", 7) for label in labels.numpy()
    ]
    assert sorted(read) == sorted(whole)


def test_a_worker_without_rows_in_a_batch_gets_an_empty_one_of_the_same_form(
    mixed: Prepared,
) -> None:
    features, labels = next(iter(read_batches(mixed.examples, "train", 1, worker=1, workers=2)))
    full, _ = next(iter(read_batches(mixed.examples, "train", 1)))
    assert labels.shape == [0]
    for name, feature in features.items():
        assert (type(feature), feature.dtype) == (type(full[name]), full[name].dtype)
        assert feature.shape[0] == 0
        assert feature.shape[2:] == full[name].shape[2:]


def test_a_share_of_the_batches_that_was_saved_continues_exactly(
    vowels: Prepared, tmp_path: Path
) -> None:
    def iterator() -> Any:
        return iter(read_batches(
            vowels.examples, "train", 50, shuffle_seed=9, repeat=True, worker=1, workers=2
        ))  # fmt: skip

    saved = iterator()
    first_numbers(saved, 7)
    path = tf.train.Checkpoint(iterator=saved).write(str(tmp_path / "position"))
    expected = first_numbers(saved, 8)
    restored = iterator()
    tf.train.Checkpoint(iterator=restored).read(path).assert_consumed()
    assert first_numbers(restored, 8) == expected


def test_the_first_rows_alone_or_each_so_many_th(vowels: Prepared) -> None:
    whole = list(chain.from_iterable(fingerprints(read_batches(vowels.examples, "test", 100))))
    first = fingerprints(read_batches(vowels.examples, "test", 64, at_most=150))
    assert [len(batch) for batch in first] == [64, 64, 22]
    assert list(chain.from_iterable(first)) == whole[:150]
    spread = fingerprints(read_batches(vowels.examples, "test", 64, every=3))
    assert list(chain.from_iterable(spread)) == whole[::3]
    with pytest.raises(ValueError, match="at_most and every"):
        read_batches(vowels.examples, "test", 64, shuffle_seed=1, every=3)


def test_raw_records_are_the_test_rows_in_the_same_order(mixed: Prepared) -> None:
    ids = [
        tf.train.SequenceExample.FromString(record).context.feature["id"].bytes_list.value[0]
        for record in read_raw_records(mixed.examples)
    ]
    assert [row_id.decode() for row_id in ids] == read_ids(mixed.examples, "test")


def test_the_counts_are_those_of_the_files(mixed: Prepared) -> None:
    for split in ("train", "validation", "test"):
        assert count(mixed.examples, split) == len(read_ids(mixed.examples, split))


def test_a_directory_without_examples_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="holds no examples"):
        read_batches(Examples(str(tmp_path), "none"), "train", 8)
