"""Checkpoints that are written while the training goes on."""

from __future__ import annotations

import threading
from collections.abc import Mapping

import tensorflow as tf

from rnn_core.checkpoints import Keeper


class BackgroundSaver:
    """Writes one checkpoint at a time, from values that are taken at once.

    To take a value costs nothing: TensorFlow copies a variable when it is changed while somebody
    still holds what it was.
    """

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper
        self._thread: threading.Thread | None = None
        self._saved: str | None = None
        self._error: Exception | None = None

    def start(self, variables: Mapping[str, tf.Variable], step: int) -> None:
        """Takes the values and begins to write them, after the checkpoint before is written."""
        self.wait()
        values = {name: variable.read_value() for name, variable in variables.items()}
        self._thread = threading.Thread(
            target=self._write, args=(values, step), name="rnn_core checkpoint"
        )
        self._thread.start()

    def _write(self, values: Mapping[str, tf.Tensor], step: int) -> None:
        try:
            self._saved = self._keeper.save(values, step)
        except Exception as error:
            self._error = error

    def wait(self) -> None:
        """Returns when nothing is being written any more."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def take_saved(self) -> str | None:
        """The prefix of a checkpoint that was finished since the last call, if there is one.

        Raises:
            StorageError: it could not be written.
        """
        if self._thread is not None and self._thread.is_alive():
            return None
        self.wait()
        error, self._error = self._error, None
        if error is not None:
            raise error
        saved, self._saved = self._saved, None
        return saved
