"""The position of a training in its input, saved beside a checkpoint.

Two ways: the state of the dataset's iterator, in ``model.ckpt-N.input.{index,data-*}``, or the
number of batches that it gave, in ``model.ckpt-N.input.json``, which a restart reads again and
skips. The state of a shuffled or cached dataset holds its rows, and so may be as large as the data:
by default the state is saved if it is exact and small, else the number. Each of W workers has its
own, ``model.ckpt-N.input-K-of-W.*``. A training that ends in the ordinary way leaves none: the next
one reads its input from the start.
"""

from __future__ import annotations

import functools
import json
import logging
import re
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import InputPositionError
from rnn_core.graph.step_loop import run_steps, with_next
from rnn_core.loops.input_graph import LARGEST_STATE_BYTES, InputGraph, inspect
from rnn_core.names import InputCheckpoint
from rnn_core.storage.files import (
    bytes_of,
    exists,
    first_line,
    flush,
    name_of,
    parent_of,
    read_json,
    remove,
    storage_errors,
    with_prefix,
    write_text,
)

logger = logging.getLogger("rnn_core")

_POSITION: Final = re.compile(r"input(-\d+-of-\d+)?")
_SKIPPED_AT_ONCE: Final = 1000
"""Batches: between two such runs Python reacts to signals."""


class InputPosition:
    """The iterator over a dataset, with the number of batches read from it.

    Args:
        dataset: of batches.
        worker: the index of the worker that reads it.
        workers: the number of workers.
        way: how to save the position; see ``RunConfig.input_checkpoint``.
        seed: of the random operations in the dataset; see ``input_seed``.
    """

    def __init__(
        self,
        dataset: tf.data.Dataset,
        worker: int = 0,
        workers: int = 1,
        way: InputCheckpoint = "auto",
        seed: int | None = None,
    ) -> None:
        self.iterator: Any = iter(dataset)
        self.batches = 0
        self._worker, self._workers = worker, workers
        self._way, self._seed = way, seed
        self._dataset = dataset
        self._counts_because = self._reason_to_count()
        self._logged = False

    @functools.cached_property
    def _graph(self) -> InputGraph:
        # Only if it is asked for: the graph holds a copy of all tensors that the dataset reads.
        return inspect(self._dataset)

    def _reason_to_count(self) -> str | None:
        if self._way == "count":
            return "as RunConfig.input_checkpoint says"
        if self._way == "auto" and not self._graph.is_exact:
            return "its iterator has no exact state"
        return self._graph.large_buffer if self._way == "auto" else None

    def save(self, checkpoint: str) -> None:
        """Writes the position for ``checkpoint``, before the checkpoint itself is written.

        Raises:
            StorageError: the directory cannot be written.
        """
        if self._way == "none":
            return
        record = {"seed": self._seed}
        with storage_errors(parent_of(checkpoint)):
            if self._counts_because or not self._save_iterator(checkpoint):
                record["batches"] = self.batches
            # After the state: `has_position` asks for the record, which so never stands without a
            # whole state.
            write_text(self._record_file(checkpoint), json.dumps(record))
            for path in with_prefix(self._prefix(checkpoint)):
                flush(path)
        self._log_way()

    def _save_iterator(self, checkpoint: str) -> bool:
        batches = tf.Variable(self.batches, dtype=tf.int64, trainable=False)
        prefix = self._prefix(checkpoint)
        try:
            state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
            state.write(prefix)
        except (
            tf.errors.FailedPreconditionError,
            tf.errors.UnimplementedError,
            tf.errors.InvalidArgumentError,
        ) as error:
            self._count(first_line(error))
        else:
            size = sum(bytes_of(path) for path in with_prefix(prefix))
            # Only a written state shows its size: rows of unknown shape, such as strings, are in
            # it.
            if self._way == "auto" and size > LARGEST_STATE_BYTES:
                self._count(f"the state of its iterator takes {size / 1e6:.1f} MB")
        if self._counts_because:
            self.forget(checkpoint)
        return self._counts_because is None

    def _count(self, reason: str) -> None:
        self._counts_because, self._logged = reason, False

    def _log_way(self) -> None:
        """One line for each way that is taken, from one of the workers."""
        if self._logged or self._worker:
            return
        self._logged = True
        if self._counts_because is None:
            logger.info("Checkpoints hold the state of the input's iterator: a restart goes on.")
            return
        logger.info(
            "Checkpoints hold the number of batches that were read (%s): a restart reads them "
            "again and skips them.",
            self._counts_because,
        )
        if self._graph.unrepeatable:
            logger.warning(
                "The input contains %s, which may give other values when it is read again: a "
                "restart is exact only if they repeat. Give seeds, or use tf.random.stateless_*.",
                self._graph.unrepeatable,
            )

    def restore(self, checkpoint: str) -> bool:
        """Moves to the position of ``checkpoint``; returns whether there was one.

        Raises:
            InputPositionError: the position is not one of this dataset.
        """
        if self._way == "none":
            return False
        record = read_json(self._record_file(checkpoint)) or {}
        if "batches" in record:
            self._skip(int(record["batches"]))
            # The run before may have found its state too large; this one need not write it to find
            # out.
            if self._way == "auto" and self._counts_because is None:
                self._count("as the run before")
            return True
        if not exists(f"{self._prefix(checkpoint)}.index"):
            self._warn_of_others(checkpoint)
            return False
        batches = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
        try:
            # assert_consumed: the state of another dataset must be an error, not be restored in
            # part.
            state.read(self._prefix(checkpoint)).assert_consumed()
        except (tf.errors.OpError, AssertionError) as error:
            raise InputPositionError(
                f"The input is not the one that {checkpoint} was trained on "
                f"({first_line(error)}). Give the same input_fn, or delete "
                f"{self._prefix(checkpoint)}.* to read the input from its start."
            ) from None
        self.batches = int(batches.numpy())
        return True

    def _skip(self, count: int) -> None:
        """Reads ``count`` batches, in one graph call for many; fewer if the input ends."""
        logger.info("Skipping %d batches of the input, which were trained on already.", count)

        @tf.function(autograph=False)
        def skip(iterator: Any, size: tf.Tensor) -> Any:
            return run_steps(lambda none: with_next(iterator, lambda _: none, none), size, 0)[0]

        self.batches = count
        while count > 0:
            size = min(count, _SKIPPED_AT_ONCE)
            skipped = int(skip(self.iterator, tf.constant(size)).numpy())
            count = count - size if skipped == size else 0

    def _warn_of_others(self, checkpoint: str) -> None:
        start = f"{name_of(checkpoint)}."
        found = {
            name_of(path).removeprefix(start).split(".")[0] for path in with_prefix(checkpoint)
        }
        others = sorted(name for name in found if _POSITION.fullmatch(name))
        if not others:
            return
        of_as_many = any(name.endswith(f"-of-{self._workers}") for name in others)
        reason = "is missing" if of_as_many else "was saved by another number of workers"
        logger.warning(
            "The position in the input %s (there are: %s): the input is read from its start.",
            reason,
            ", ".join(others),
        )

    def forget(self, checkpoint: str) -> None:
        """Removes the position of ``checkpoint``, if it has one, also if it is half written."""
        for path in with_prefix(self._prefix(checkpoint)):
            remove(path)
        # tf.train.Checkpoint writes here first, and then moves the files.
        remove(f"{self._prefix(checkpoint)}_temp")

    def _prefix(self, checkpoint: str) -> str:
        return _prefix(checkpoint, self._worker, self._workers)

    def _record_file(self, checkpoint: str) -> str:
        return f"{self._prefix(checkpoint)}.json"


def _prefix(checkpoint: str, worker: int, workers: int) -> str:
    suffix = "input" if workers == 1 else f"input-{worker}-of-{workers}"
    return f"{checkpoint}.{suffix}"


def has_position(checkpoint: str, worker: int, workers: int) -> bool:
    """Whether ``checkpoint`` has a position of this worker in its input."""
    return exists(f"{_prefix(checkpoint, worker, workers)}.json")


def saved_seed(checkpoint: str, worker: int, workers: int) -> int | None:
    """The seed of the input that ``checkpoint`` has a position in; None if it has none."""
    record = read_json(f"{_prefix(checkpoint, worker, workers)}.json") or {}
    return record.get("seed")


def has_exact_state(dataset: tf.data.Dataset) -> bool:
    """Whether a restored iterator of ``dataset`` continues exactly as the saved one would."""
    return inspect(dataset).is_exact
