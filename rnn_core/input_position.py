"""Where a training stands in its input, saved beside a checkpoint.

``model.ckpt-N.input.*`` holds the state of the dataset's iterator, or, if it cannot be saved, how
many batches it gave, which are then skipped. A training that ends in the ordinary way leaves none:
the next one reads its input from the start.
"""

from __future__ import annotations

import contextlib
import glob
import json
import logging
import os
from typing import Any

import tensorflow as tf

from rnn_core.checkpoints import storage_errors
from rnn_core.errors import InputPositionError

logger = logging.getLogger("rnn_core")


class InputPosition:
    """The iterator over a dataset, with the number of batches it gave."""

    def __init__(self, dataset: tf.data.Dataset) -> None:
        self.iterator: Any = iter(dataset)
        self.batches = 0
        self._can_save = True

    def save(self, checkpoint: str) -> None:
        """Writes the position for ``checkpoint``, whose own files come after."""
        with storage_errors(os.path.dirname(checkpoint)):
            if not (self._can_save and self._save_iterator(checkpoint)):
                with open(_count_file(checkpoint), "w", encoding="utf-8") as file:
                    json.dump({"batches": self.batches}, file)

    def _save_iterator(self, checkpoint: str) -> bool:
        batches = tf.Variable(self.batches, dtype=tf.int64, trainable=False)
        try:
            state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
            state.write(_prefix(checkpoint))
        except (
            tf.errors.FailedPreconditionError,
            tf.errors.UnimplementedError,
            tf.errors.InvalidArgumentError,
        ) as error:
            forget(checkpoint)
            self._can_save = False
            logger.warning(
                "The input cannot save its position (%s); a restart will read and skip the batches "
                "before it.",
                str(error).splitlines()[0],
            )
        return self._can_save

    def restore(self, checkpoint: str) -> bool:
        """Moves to the position of ``checkpoint``; says whether there was one.

        Raises:
            InputPositionError: the position is not one of this dataset.
        """
        if os.path.exists(_count_file(checkpoint)):
            with open(_count_file(checkpoint), encoding="utf-8") as file:
                self._skip(int(json.load(file)["batches"]))
            return True
        if not os.path.exists(f"{_prefix(checkpoint)}.index"):
            return False
        self._restore_iterator(checkpoint)
        return True

    def _restore_iterator(self, checkpoint: str) -> None:
        batches = tf.Variable(0, dtype=tf.int64, trainable=False)
        state = tf.train.Checkpoint(iterator=self.iterator, batches=batches)
        try:
            state.read(_prefix(checkpoint)).assert_consumed()
        except (tf.errors.OpError, AssertionError) as error:
            raise InputPositionError(
                f"The input is not the one that {checkpoint} was trained on "
                f"({str(error).splitlines()[0]}). Give the same input_fn, or delete "
                f"{_prefix(checkpoint)}.* to begin the input anew."
            ) from None
        self.batches = int(batches.numpy())

    def _skip(self, batches: int) -> None:
        for _ in range(batches):
            next(self.iterator, None)
        self.batches = batches


def forget(checkpoint: str) -> None:
    """Removes the position of ``checkpoint``, if it has one."""
    for path in glob.glob(f"{glob.escape(_prefix(checkpoint))}.*"):
        with contextlib.suppress(FileNotFoundError):
            os.remove(path)


def _prefix(checkpoint: str) -> str:
    return f"{checkpoint}.input"


def _count_file(checkpoint: str) -> str:
    return f"{checkpoint}.input.json"
