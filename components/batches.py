"""Examples on disk become batches of tensors, in an order that a seed repeats.

A dataset holds no state but counters: the order of an epoch is a permutation computed from the seed
and the number of the epoch, so a checkpoint of an iterator is small and continues exactly.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.artifacts import Examples, Split
from components.errors import NotFoundError
from components.parsing import parse_examples, parse_ids
from components.schema import load_schema
from components.statistics import STATISTICS

_ENDLESS = tf.int64.max


def read_batches(
    examples: Examples,
    split: Split,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    repeat: bool = False,
    worker: int = 0,
    workers: int = 1,
) -> tf.data.Dataset:
    """Batches of (features, labels): features in the form of ``parsing``, labels string [B].

    Args:
      examples: the directory of the examples; it is read when the dataset is made.
      split: the split to read.
      batch_size: B, of all workers together; only the last batch of a dataset that does not repeat
        may be smaller.
      shuffle_seed: orders each epoch anew, reproducibly; None keeps the order of the files.
      repeat: begin again after each epoch, for ever.
      worker: index of the worker that reads.
      workers: how many share each batch. Worker k takes its rows k, k + workers, and so on, or a
        batch of no rows where there are too few: together they read the very batches of one.

    Raises:
      NotFoundError: the directory holds no such examples.
    """
    schema = load_schema(examples.path)
    records = _records(examples, split)
    count = tf.size(records, out_type=tf.int64)

    def parse(indices: tf.Tensor) -> tuple[dict[str, Any], tf.Tensor]:
        if workers == 1:
            return parse_examples(tf.gather(records, indices), schema)
        own = indices[worker::workers]
        # The parser refuses no rows at all, so one that is not this worker's goes along.
        parsed = parse_examples(tf.gather(records, tf.concat([own, indices[:1]], 0)), schema)
        return tf.nest.map_structure(lambda tensor: tensor[: tf.size(own)], parsed)

    epochs = tf.data.Dataset.range(_ENDLESS if repeat else 1)
    order = epochs.flat_map(lambda epoch: _order(count, epoch, shuffle_seed))
    return order.batch(batch_size).map(parse).prefetch(2)


def read_raw_records(examples: Examples) -> list[bytes]:
    """The serialized raw examples of the test split, in the order of its other readers."""
    return _read_files(examples, "raw_test")


def read_ids(examples: Examples, split: Split) -> list[str]:
    """The ids of a split in the order of ``read_batches`` without a seed."""
    return [row_id.decode() for row_id in parse_ids(_records(examples, split)).numpy()]


def count(examples: Examples, split: Split) -> int:
    """The number of examples in a split."""
    statistics = json.loads((Path(examples.path) / STATISTICS).read_bytes())
    return int(statistics["rows"][split])


def _order(count: tf.Tensor, epoch: tf.Tensor, seed: int | None) -> tf.data.Dataset:
    """The indices of one epoch."""
    indices = tf.data.Dataset.range(count)
    if seed is None:
        return indices
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    return indices.map(
        lambda index: tf.random.experimental.index_shuffle(index, key, max_index=count - 1)
    )


def _records(examples: Examples, split: Split) -> tf.Tensor:
    """The serialized examples of all shards, string [N]; they are held in memory."""
    return tf.constant(_read_files(examples, split), tf.string)


def _read_files(examples: Examples, name: str) -> list[bytes]:
    files = sorted(map(str, Path(examples.path).glob(f"{name}-*.tfrecord")))
    if not files:
        raise NotFoundError(f"{examples.path} holds no examples named {name}-*.tfrecord.")
    return list(tf.data.TFRecordDataset(files).as_numpy_iterator())
