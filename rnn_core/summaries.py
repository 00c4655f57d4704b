"""Event files that TensorBoard shows, with the records that TensorFlow 2.15's estimator wrote.

An event file is a TFRecord file of ``Event`` messages; each number is a ``simple_value``.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import tensorflow as tf

from rnn_core.files import storage_errors

_Event: Final[Any] = tf.compat.v1.Event
_Summary: Final[Any] = tf.compat.v1.Summary
_numbers = itertools.count()


class EventWriter:
    """Appends numbers to an event file of its own in ``directory``, made with the first one."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)
        self._writer: Any = None

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Writes one record; it is on disk when this returns.

        Raises:
            StorageError: the directory cannot be written.
        """
        summary = _Summary(
            value=[_Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        )
        with storage_errors(self._directory):
            if self._writer is None:
                self._open()
            event = _Event(wall_time=time.time(), step=step, summary=summary)
            self._writer.write(event.SerializeToString())
            self._writer.flush()

    def _open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}"
        path = self._directory / f"{name}.{os.getpid()}.{next(_numbers)}"
        self._writer = tf.io.TFRecordWriter(str(path))
        start = _Event(wall_time=now, file_version="brain.Event:2")
        self._writer.write(start.SerializeToString())

    def close(self) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()


def read_events(directory: str) -> dict[int, dict[str, float]]:
    """All numbers of the event files in ``directory``, by step and tag, later files last."""
    steps: dict[int, dict[str, float]] = {}
    for path in sorted(Path(directory).glob("events.out.tfevents.*")):
        for event in _events(str(path)):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    steps.setdefault(int(event.step), {})[value.tag] = value.simple_value
    return dict(sorted(steps.items()))


def _events(path: str) -> Iterator[Any]:
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield _Event.FromString(record)
    except tf.errors.DataLossError:
        # A kill may cut the last record off; all before it are good.
        return
