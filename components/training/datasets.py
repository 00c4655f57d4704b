"""Examples on disk become batches of tensors, in an order that a seed repeats.

All examples of a split are parsed once and held in memory: to put a batch together is to copy its
rows, which leaves the cores to the training. A dataset holds no state but the number of the batch:
the order of an epoch is a permutation computed from the seed and the number of the epoch, so a
checkpoint of an iterator is small and continues exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Literal

import tensorflow as tf

from components.artifacts.schema import load_schema
from components.artifacts.values import RAW_TEST, Examples, Split
from components.data.statistics import read_statistics
from components.errors import NotFoundError
from components.labels.table import KINDS
from components.training.example_parsing import parse_examples, parse_key
from components.training.selection import Selection, assign_folds

_as_written = tf.autograph.experimental.do_not_convert
"""Of a function without Python's own loops and branches over tensors: it is traced at once."""
_ENDLESS: Final = tf.int64.max
_PARSED_AT_ONCE: Final = 1024
_KEY: Final = 498247692
"""What ``tf.random.experimental.index_shuffle`` puts before a seed; the orders here are its own."""


def read_batches(
    examples: Examples,
    rows: Split | Selection,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    repeat: bool = False,
    worker: int = 0,
    workers: int = 1,
    at_most: int = -1,
) -> tf.data.Dataset:
    """Batches of (features, labels): features and labels as ``example_parsing`` says.

    Args:
        examples: the directory of the examples; it is read when the dataset is made.
        rows: the split to read, or which rows of several.
        batch_size: B, of all workers together; only the last batch of a dataset that does not
            repeat may be smaller.
        shuffle_seed: a new order in each epoch, reproducible; None keeps the order of the files.
        repeat: begin again after each epoch, without end.
        worker: index of the worker that reads.
        workers: how many share each batch. Worker k takes its rows k, k + workers, and so on, or a
          batch of no rows where there are too few: together they read the very batches of one.
        at_most: reads no more rows of each split, the first; -1: all.

    Raises:
        NotFoundError: the directory holds no such examples.
    """
    selection = _selection(rows)
    parsed = _parsed(examples, selection.splits, at_most)
    chosen = _rows_of_fold(examples, selection)
    of_fold = None if chosen is None else tf.constant(chosen, tf.int64)
    count = _row_count(parsed[1] if of_fold is None else of_fold)

    @_as_written
    def take(first: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        # Positions count through all epochs, so a batch may hold the end of one and the start of
        # the next. All workers compute the whole batch's rows; each gathers only its own.
        end = first + batch_size if repeat else tf.minimum(first + batch_size, count)
        positions = tf.range(first, end)
        indices = _shuffled_indices(positions // count, positions % count, count, shuffle_seed)
        own = indices[worker::workers]
        if of_fold is not None:
            own = tf.gather(of_fold, own)
        return tf.nest.map_structure(lambda tensor: tf.gather(tensor, own), parsed)

    batch_starts = tf.data.Dataset.range(0, _ENDLESS - batch_size if repeat else count, batch_size)
    # To gather a batch takes a small part of a step: more threads would disturb the training's.
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1
    options.experimental_optimization.map_parallelization = False
    options.autotune.enabled = False
    return batch_starts.map(take).prefetch(2).with_options(options)


def read_raw_records(examples: Examples) -> Iterator[bytes]:
    """The serialized raw examples of the test split, in the order of its other readers."""
    return iter(_records(examples, RAW_TEST).as_numpy_iterator())


def read_ids(examples: Examples, split: Split) -> list[str]:
    """The ids of a split in the order of ``read_batches`` without a seed."""
    return [row_id for (row_id,) in _read_keys(examples, split, "id")]


def read_labels(examples: Examples, split: Split) -> list[tuple[str, ...]]:
    """The labels of each row of a split, in the same order."""
    return _read_keys(examples, split, "label")


def count(examples: Examples, rows: Split | Selection) -> int:
    """The number of examples in a split, or of the selected rows."""
    selection = _selection(rows)
    chosen = _rows_of_fold(examples, selection)
    if chosen is not None:
        return len(chosen)
    by_split = read_statistics(Path(examples.path))["rows"]
    return sum(int(by_split[split]) for split in selection.splits)


def label_counts(examples: Examples, rows: Split | Selection) -> dict[str, int]:
    """How many rows, or steps where each has one, have each label."""
    selection = _selection(rows)
    chosen = _rows_of_fold(examples, selection)
    counts: Counter[str] = Counter()
    if chosen is None:
        by_split = read_statistics(Path(examples.path))["labels"]
        for split in selection.splits:
            counts.update(by_split[split])
    else:
        labels = [each for split in selection.splits for each in read_labels(examples, split)]
        for row in chosen:
            counts.update(labels[row])
    return dict(counts)


def _selection(rows: Split | Selection) -> Selection:
    return Selection((rows,)) if isinstance(rows, str) else rows


def _rows_of_fold(examples: Examples, selection: Selection) -> list[int] | None:
    """The indices of the selected rows among all of the splits; None for all of them."""
    if not selection.folds:
        return None
    ids = [each for split in selection.splits for each in read_ids(examples, split)]
    kind = KINDS[load_schema(examples.path).label]
    strata = [
        kind.stratum(labels)
        for split in selection.splits
        for labels in read_labels(examples, split)
    ]
    folds = assign_folds(ids, strata, selection.folds)
    return [row for row, fold in enumerate(folds) if (fold == selection.fold) == selection.held_out]


def _row_count(labels: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """int64 scalar."""
    is_ragged = isinstance(labels, tf.RaggedTensor)
    return labels.nrows(tf.int64) if is_ragged else tf.size(labels, out_type=tf.int64)


def _shuffled_indices(
    epochs: tf.Tensor, positions: tf.Tensor, count: tf.Tensor, seed: int | None
) -> tf.Tensor:
    """The rows at ``positions`` of the orders of ``epochs``, all int64 [B]."""
    if seed is None:
        return positions
    # A permutation that is computed index by index: no shuffle buffer, and no state to save. The
    # public function takes one seed for all indices, but a batch may lie in two epochs.
    same = tf.ones_like(epochs)
    seeds = tf.stack([_KEY * same, seed * same, epochs], axis=1)
    return tf.raw_ops.RandomIndexShuffle(index=positions, seed=seeds, max_index=count - 1, rounds=4)


def _parsed(
    examples: Examples, splits: tuple[Split, ...], at_most: int
) -> tuple[dict[str, Any], tf.Tensor]:
    """(features, labels) of the N examples of some splits, one split behind the other."""
    schema = load_schema(examples.path)

    @_as_written
    def parse(records: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        return parse_examples(records, schema)

    parts = [
        part
        for split in splits
        for part in _records(examples, split)
        .take(at_most)
        .batch(_PARSED_AT_ONCE)
        .map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    ]
    return tf.nest.map_structure(lambda *tensors: tf.concat(tensors, 0), *parts)


def _records(examples: Examples, name: str) -> tf.data.Dataset:
    """The serialized examples of all shards."""
    # Sorted: file systems list in different orders, and the seed permutes this one.
    files = sorted(map(str, Path(examples.path).glob(f"{name}-*.tfrecord")))
    if not files:
        raise NotFoundError(f"{examples.path} holds no examples named {name}-*.tfrecord.")
    return tf.data.TFRecordDataset(files)


def _read_keys(
    examples: Examples, split: Split, key: Literal["id", "label"]
) -> list[tuple[str, ...]]:
    # In parts: an example may be a thousand times as large as its id.
    parts = _records(examples, split).batch(_PARSED_AT_ONCE)
    return [
        tuple(text.decode() for text in texts)
        for records in parts
        for texts in parse_key(records, key).to_list()
    ]
