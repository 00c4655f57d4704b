"""The position of a training in its input, saved beside a checkpoint.

``model.ckpt-N.input.*`` holds the state of the dataset's iterator, or, if that state cannot be
trusted, how many batches it gave, which are then read and skipped. Each of W workers has its own,
``model.ckpt-N.input-K-of-W.*``. A training that ends in the ordinary way leaves none: the next one
reads its input from the start.

TensorFlow 2.21 (like those before) restores a shuffled dataset with the orders of other epochs if
something stands between ``shuffle`` and ``repeat``, as in ``shuffle().batch().repeat()``;
``shuffle().repeat().batch()`` is restored exactly. The first kind is counted.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import InputPositionError
from rnn_core.storage.files import (
    first_line,
    flush,
    read_json,
    storage_errors,
    with_prefix,
    write_text,
)

logger = logging.getLogger("rnn_core")

_POSITION: Final = re.compile(r"input(-\d+-of-\d+)?")
_FAIL_ON_EXTERNAL_STATE: Final = 2
"""``ExternalStatePolicy.FAIL``: a position must not depend on state outside of the iterator."""


class InputPosition:
    """The iterator over a dataset, with the number of batches read from it.

    Args:
        dataset: of batches.
        worker: the index of the worker that reads it.
        workers: the number of workers.
    """

    def __init__(self, dataset: tf.data.Dataset, worker: int = 0, workers: int = 1) -> None:
        self.iterator: Any = iter(dataset)
        self.batches = 0
        self._workers = workers
        self._suffix = "input" if workers == 1 else f"input-{worker}-of-{workers}"
        self._can_save = has_exact_state(dataset)

    def save(self, checkpoint: str) -> None:
        """Writes the position for ``checkpoint``, before the checkpoint itself is written.

        Raises:
            StorageError: the directory cannot be written.
        """
        with storage_errors(Path(checkpoint).parent):
            if not (self._can_save and self._save_iterator(checkpoint)):
                write_text(self._count_file(checkpoint), json.dumps({"batches": self.batches}))
            for path in with_prefix(self._prefix(checkpoint)):
                flush(path)

    def _save_iterator(self, checkpoint: str) -> bool:
        batches = tf.Variable(self.batches, dtype=tf.int64, trainable=False)
        try:
            state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
            state.write(self._prefix(checkpoint))
        except (
            tf.errors.FailedPreconditionError,
            tf.errors.UnimplementedError,
            tf.errors.InvalidArgumentError,
        ) as error:
            self.forget(checkpoint)
            self._can_save = False
            logger.info(
                "The input cannot save its position (%s): a restart will skip earlier batches.",
                first_line(error),
            )
        return self._can_save

    def restore(self, checkpoint: str) -> bool:
        """Moves to the position of ``checkpoint``; returns whether there was one.

        Raises:
            InputPositionError: the position is not one of this dataset.
        """
        counted = read_json(self._count_file(checkpoint))
        if counted is not None:
            self.batches = int(counted["batches"])
            for _ in range(self.batches):
                next(self.iterator, None)
            return True
        if not Path(f"{self._prefix(checkpoint)}.index").exists():
            self._warn_of_others(checkpoint)
            return False
        batches = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
        try:
            state.read(self._prefix(checkpoint)).assert_consumed()
        except (tf.errors.OpError, AssertionError) as error:
            raise InputPositionError(
                f"The input is not the one that {checkpoint} was trained on "
                f"({first_line(error)}). Give the same input_fn, or delete "
                f"{self._prefix(checkpoint)}.* to read the input from its start."
            ) from None
        self.batches = int(batches.numpy())
        return True

    def _warn_of_others(self, checkpoint: str) -> None:
        found = {path.name.split(".")[2] for path in with_prefix(checkpoint)}
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
            path.unlink(missing_ok=True)
        # tf.train.Checkpoint writes here first, and then moves the files.
        shutil.rmtree(f"{self._prefix(checkpoint)}_temp", ignore_errors=True)

    def _prefix(self, checkpoint: str) -> str:
        return f"{checkpoint}.{self._suffix}"

    def _count_file(self, checkpoint: str) -> Path:
        return Path(f"{self._prefix(checkpoint)}.json")


def has_exact_state(dataset: tf.data.Dataset) -> bool:
    """Whether a restored iterator of ``dataset`` continues exactly as the saved one would."""
    try:
        variant = tf.data.experimental.to_variant(dataset)
        text = tf.raw_ops.DatasetToGraphV2(
            input_dataset=variant, external_state_policy=_FAIL_ON_EXTERNAL_STATE
        )
    except tf.errors.OpError:
        return False
    graph = tf.compat.v1.GraphDef.FromString(text.numpy())
    nested = [node.op for function in graph.library.function for node in function.node_def]
    if any(op.startswith("Shuffle") for op in nested):
        return False
    repeats = [node for node in graph.node if node.op == "RepeatDataset"]
    repeated = {node.input[0] for node in repeats}
    shuffled = {node.name for node in graph.node if node.op.startswith("ShuffleDataset")}
    return not repeats or shuffled <= repeated
