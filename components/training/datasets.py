"""Examples on disk become batches of tensors, in an order that a seed repeats.

In the order of the files they are parsed batch by batch. To be read in any other order, all of a
split are parsed once: into memory, where to put a batch together is to copy its rows, which leaves
the cores to the training; or, where they are too many for that, into a ``RowStore`` on disk. Which
of the two changes no batch. A dataset holds no state but the number of the batch: the order of an
epoch is a permutation computed from the seed and the number of the epoch, so a checkpoint of an
iterator is small and continues exactly, at once, however many rows there are.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import tensorflow as tf

from components.artifacts.schema import load_schema
from components.artifacts.values import RAW_TEST, Examples, Split
from components.data.statistics import read_statistics
from components.errors import DataError, NotFoundError
from components.labels.table import KINDS
from components.training.example_parsing import parse_examples, parse_key
from components.training.row_store import RowStore, make_store, slice_rows
from components.training.selection import Selection, assign_folds
from rnn_core.storage.files import first_line

_as_written = tf.autograph.experimental.do_not_convert
"""Of a function without Python's own loops and branches over tensors: it is traced at once."""
_Parsed: TypeAlias = tuple[dict[str, Any], Any]
"""Features by name, and labels, of some rows."""
_ENDLESS: Final = 2**62
"""Rows: more than any training reads, and so few that none of the sums with it overflows."""
_PARSED_AT_ONCE: Final = 1024
_MEMORY_PER_BYTE: Final = 3.0
"""Of a byte of the files, at the peak: as measured by ``python -m benchmarks streamed``."""
_BYTES_AT_ONCE: Final = 2**22
_MOST_AT_ONCE: Final = 16
"""So many batches, if they are small, are read from disk in one call: Python that is called behind
each step finds itself out of the processor's caches, and takes several times as long."""
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
    on_disk: bool = False,
    at_most: int = -1,
    every: int = 1,
) -> tf.data.Dataset:
    """Batches of (features, labels): features and labels as ``example_parsing`` says.

    Without a seed, an end left out or folds, no more than some batches are in memory at a time.

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
        on_disk: holds no rows in memory; the batches are the same.
        at_most: of whole splits in the order of the files: reads no more rows, the first; -1: all.
        every: of these: reads the first row, and each so-many-th behind it.

    Raises:
        NotFoundError: the directory holds no such examples.
        DataError: a file was changed or cut off; ``reading_errors`` turns what iterators raise into
            the same.
        StorageError: what ``on_disk`` needs cannot be written.
    """
    selection = _selection(rows)
    if shuffle_seed is None and not repeat and not selection.folds:
        records = _concatenated([_records(examples, split) for split in selection.splits])
        records = (records.shard(every, 0) if every > 1 else records).take(at_most)
        parse = functools.partial(_parse_share, _parsing(examples), worker, workers)
        batches = records.batch(batch_size)
        return batches.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    if at_most != -1 or every != 1:
        raise ValueError("at_most and every are of whole splits in the order of the files")
    with reading_errors(examples):
        found: _Rows = (_open_stores if on_disk else _RowsInMemory)(examples, selection)
    chosen = _rows_of_fold(examples, selection)
    of_fold = None if chosen is None else tf.constant(chosen, tf.int64)
    count = tf.constant(len(found if chosen is None else chosen), tf.int64)
    # Positions count through all epochs, so a batch may hold the end of one and the start of the
    # next. All workers find the whole batch's rows; each takes only its own.
    end = _ENDLESS if repeat else count

    @_as_written
    def find_rows(positions: tf.Tensor) -> tf.Tensor:
        rows = _shuffled_indices(positions // count, positions % count, count, shuffle_seed)
        return rows if of_fold is None else tf.gather(of_fold, rows)

    @_as_written
    def gather_batch(first: tf.Tensor, number: tf.Tensor, read: tf.Tensor) -> _Parsed:
        del number, read
        rows = find_rows(tf.range(first, tf.minimum(first + batch_size, end)))
        return found.take(rows[worker::workers])

    @_as_written
    def read_from_disk(first: tf.Tensor) -> tuple[tf.Tensor, _Parsed]:
        """The own rows of some batches, and where in them each batch begins and the last ends."""
        positions = tf.range(first, tf.minimum(first + at_once * batch_size, end))
        numbers, places = (positions - first) // batch_size, (positions - first) % batch_size
        is_own = places % workers == worker
        sizes = tf.math.segment_sum(tf.cast(is_own, tf.int64), numbers)
        own = tf.boolean_mask(find_rows(positions), is_own)
        return tf.concat([[0], tf.cumsum(sizes)], 0), found.take(own)

    @_as_written
    def cut_batch(first: tf.Tensor, number: tf.Tensor, read: tuple[tf.Tensor, _Parsed]) -> _Parsed:
        del first
        starts, rows = read
        cut = functools.partial(slice_rows, first=starts[number], last=starts[number + 1])
        return tf.nest.map_structure(cut, rows)

    at_once = _batches_at_once(examples, selection, batch_size)
    # The same datasets for both, so that a training goes on from disk if it was killed for want of
    # memory. What maps is outside of flat_map, which would set it up anew each time.
    read, make_batch = (read_from_disk, cut_batch) if on_disk else (tf.identity, gather_batch)

    @_as_written
    def of_each_batch(first: tf.Tensor, read: Any) -> tf.data.Dataset:
        firsts = tf.data.Dataset.range(
            first, tf.minimum(first + at_once * batch_size, end), batch_size
        )
        reads = tf.data.Dataset.from_tensors(read).repeat()
        return tf.data.Dataset.zip(firsts, tf.data.Dataset.range(at_once), reads)

    dataset = tf.data.Dataset.range(0, end, at_once * batch_size)
    dataset = dataset.map(lambda first: (first, read(first))).prefetch(1).flat_map(of_each_batch)
    return dataset.map(make_batch).prefetch(2).with_options(_options(2 if on_disk else 1))


def _options(threads: int) -> tf.data.Options:
    options = tf.data.Options()
    # To put a batch together takes a small part of a step: more threads would disturb the
    # training's. From disk one reads ahead while the other cuts.
    options.threading.private_threadpool_size = threads
    options.experimental_optimization.map_parallelization = False
    options.autotune.enabled = False
    # The state of an iterator is then the number of the batch, without what was read ahead.
    options.experimental_symbolic_checkpoint = True
    return options


def _batches_at_once(examples: Examples, selection: Selection, batch_size: int) -> int:
    """How many batches are read from disk in one call; in memory it has no effect."""
    rows = count(examples, Selection(selection.splits))
    batch_bytes = max(1, batch_size * _bytes_on_disk(examples, selection) // max(1, rows))
    return max(1, min(_MOST_AT_ONCE, _BYTES_AT_ONCE // batch_bytes))


def _bytes_on_disk(examples: Examples, selection: Selection) -> int:
    """Of the files of whole splits."""
    return sum(
        path.stat().st_size for split in selection.splits for path in _shards(examples, split)
    )


def make_row_stores(examples: Examples, rows: Selection) -> None:
    """Makes what ``read_batches`` needs to read rows ``on_disk``, unless it is there.

    Raises:
        DataError: a file was changed or cut off.
        StorageError: the disk is full or the directory cannot be written.
    """
    with reading_errors(examples):
        _open_stores(examples, rows)


def bytes_in_memory(examples: Examples, rows: Selection) -> int:
    """How much memory a process takes at most to hold these rows."""
    return int(_MEMORY_PER_BYTE * _bytes_on_disk(examples, rows))


@contextlib.contextmanager
def reading_errors(examples: Examples) -> Iterator[None]:
    """Turns what TensorFlow raises at a file that was changed or cut off into one clear error.

    Raises:
        DataError: with the directory, and what to do.
    """
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.FailedPreconditionError) as error:
        is_count = "was expected to contain" in str(error)
        if isinstance(error, tf.errors.FailedPreconditionError) and not is_count:
            raise
        raise DataError(
            f"the examples in {examples.path} cannot be read ({first_line(error)}): a file was "
            "changed or cut off since it was written. Delete the directory and run again: the "
            "examples are made anew."
        ) from None
    except tf.errors.InvalidArgumentError as error:
        # From Python behind ``tf.numpy_function``: the name of its error, the text, the traceback.
        found = re.search(rf"{DataError.__name__}: (.*)", str(error))
        if found is None:
            raise
        raise DataError(found[1]) from None


def read_raw_records(examples: Examples) -> Iterator[bytes]:
    """The serialized raw examples of the test split, in the order of its other readers."""
    with reading_errors(examples):
        yield from _records(examples, RAW_TEST).as_numpy_iterator()


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


@_as_written
def _parse_share(
    parse: Callable[[tf.Tensor], _Parsed], worker: int, workers: int, records: tf.Tensor
) -> _Parsed:
    """The rows of a batch that one of the workers takes."""
    if workers == 1:
        return parse(records)
    own = records[worker::workers]
    # The parser takes no empty batch: it gets a row too many, behind the others.
    parsed = parse(tf.concat([own, records[:1]], 0))
    return tf.nest.map_structure(lambda tensor: tensor[: tf.size(own)], parsed)


class _RowsInMemory:
    """All rows of some splits, one split behind the other: what a ``RowStore`` has on disk."""

    def __init__(self, examples: Examples, selection: Selection) -> None:
        parts = list(_concatenated([_parsed(examples, split) for split in selection.splits]))
        self._rows: _Parsed = tf.nest.map_structure(lambda *parts: tf.concat(parts, 0), *parts)

    def __len__(self) -> int:
        labels = self._rows[1]
        return int(labels.nrows() if isinstance(labels, tf.RaggedTensor) else tf.size(labels))

    def take(self, rows: tf.Tensor) -> _Parsed:
        taken: _Parsed = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), self._rows)
        return taken


_Rows: TypeAlias = _RowsInMemory | RowStore


def _open_stores(examples: Examples, selection: Selection) -> RowStore:
    labels = load_schema(examples.path).labels
    stores = []
    for split in selection.splits:
        batches = _parsed(examples, split)
        stores.append(Path(examples.path) / f"rows-{split}")
        make_store(stores[-1], batches, labels, _shards(examples, split))
    return RowStore(stores, batches.element_spec, labels)


def _parsed(examples: Examples, split: Split) -> tf.data.Dataset:
    """The examples of a split, many at once."""
    records = _records(examples, split).batch(_PARSED_AT_ONCE)
    return records.map(_parsing(examples), num_parallel_calls=tf.data.AUTOTUNE).prefetch(1)


def _parsing(examples: Examples) -> Callable[[tf.Tensor], _Parsed]:
    schema = load_schema(examples.path)

    @_as_written
    def parse(records: tf.Tensor) -> _Parsed:
        return parse_examples(records, schema)

    return parse


def _records(examples: Examples, name: str) -> tf.data.Dataset:
    """The serialized examples of all shards."""
    records = tf.data.TFRecordDataset(list(map(str, _shards(examples, name))))
    # A file that ends between two records looks whole.
    rows = read_statistics(Path(examples.path))["rows"]["test" if name == RAW_TEST else name]
    return records.apply(tf.data.experimental.assert_cardinality(rows))


def _shards(examples: Examples, name: str) -> list[Path]:
    # Sorted: file systems list in different orders, and the seed permutes this one.
    files = sorted(Path(examples.path).glob(f"{name}-*.tfrecord"))
    if not files:
        raise NotFoundError(f"{examples.path} holds no examples named {name}-*.tfrecord.")
    return files


def _concatenated(datasets: Sequence[tf.data.Dataset]) -> tf.data.Dataset:
    return functools.reduce(tf.data.Dataset.concatenate, datasets)


def _read_keys(
    examples: Examples, split: Split, key: Literal["id", "label"]
) -> list[tuple[str, ...]]:
    # In parts: an example may be a thousand times as large as its id.
    parts = _records(examples, split).batch(_PARSED_AT_ONCE)
    with reading_errors(examples):
        return [
            tuple(text.decode() for text in texts)
            for records in parts
            for texts in parse_key(records, key).to_list()
        ]
