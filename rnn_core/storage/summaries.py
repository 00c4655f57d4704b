"""Event files that TensorBoard shows, with the records that TensorFlow 2.15's estimator wrote.

An event file is a TFRecord file of ``Event`` messages; each number is a ``simple_value``.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol, TypeAlias

import tensorflow as tf

from rnn_core.storage.files import join, make_directory, matching, storage_errors
from rnn_core.types import Array

_Event: Final[Any] = tf.compat.v1.Event
_Summary: Final[Any] = tf.compat.v1.Summary
_SessionLog: Final[Any] = tf.compat.v1.SessionLog
# Two writers that one process opens within the same second get different files.
_numbers = itertools.count()

Summary: TypeAlias = Any
"""A ``tf.compat.v1.Summary``: values by tag, as one record of an event file holds them."""


class Writer(Protocol):
    """Anything that can write numbers by tag at a step."""

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Writes ``values`` by tag."""


class EventWriter:
    """Appends numbers to an event file of its own in ``directory``, made with the first one.

    Without a directory nothing is written: only one of many workers has one.
    """

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._writer: Any = None

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Writes one record; it is on disk when this returns.

        Raises:
            StorageError: the directory cannot be written.
        """
        self.write_summary(numbers(values), step)

    def write_summary(self, summary: Summary, step: int) -> None:
        """Writes ``summary`` as one record. Raises StorageError."""
        self._write(step, summary=summary)

    def write_tensor(self, tag: str, tensor: Any, step: int) -> None:
        """Writes a string or an array, as 2.15 wrote the path of an evaluated checkpoint."""
        value = _Summary.Value(tag=tag, tensor=tf.make_tensor_proto(tensor))
        self._write(step, summary=_Summary(value=[value]))

    def write_start(self, step: int) -> None:
        """Marks a start at ``step``: TensorBoard discards earlier records from that step on."""
        self._write(step, session_log=_SessionLog(status=_SessionLog.START))

    def write_checkpoint(self, path: str, step: int) -> None:
        """Records that a checkpoint was saved."""
        log = _SessionLog(status=_SessionLog.CHECKPOINT, checkpoint_path=path)
        self._write(step, session_log=log)

    def _write(self, step: int, **what: Any) -> None:
        if self._directory is None:
            return
        with storage_errors(self._directory):
            if self._writer is None:
                self._writer = _open(self._directory)
            event = _Event(wall_time=time.time(), step=step, **what)
            self._writer.write(event.SerializeToString())
            self._writer.flush()

    def close(self) -> None:
        """Closes the file; what is written later goes to a new one."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


def _open(directory: str) -> Any:
    make_directory(directory)
    now = time.time()
    # Ten digits, so that the order of the names is that of the times: read_events relies on it.
    name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}"
    writer = tf.io.TFRecordWriter(join(directory, f"{name}.{os.getpid()}.{next(_numbers)}"))
    # Readers expect the version in the first record.
    writer.write(_Event(wall_time=now, file_version="brain.Event:2").SerializeToString())
    return writer


class _GivenWriter:
    """A summary writer of the caller."""

    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def write(self, values: Mapping[str, float], step: int) -> None:
        """Writes the numbers in the way of the writer's kind."""
        # A FileWriter of TensorFlow 1; the writers of TensorFlow 2 take numbers by tf.summary only.
        if hasattr(self._writer, "add_summary"):
            self._writer.add_summary(numbers(values), step)
            return
        with self._writer.as_default():
            for tag, value in values.items():
                tf.summary.scalar(tag, value, step)
        self._writer.flush()


def numbers(values: Mapping[str, float]) -> Summary:
    """A summary of numbers by tag."""
    return _Summary(
        value=[_Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
    )


def histogram(tag: str, values: Array | tf.Tensor) -> Summary:
    """The distribution of ``values``, in the buckets that 2.15 used."""
    return parse(tf.raw_ops.HistogramSummary(tag=tag, values=values).numpy())


def collect_histogram(tag: str, values: tf.Tensor) -> None:
    """Puts the distribution among the summaries of the graph, where a session's hook found it."""
    _collect(tf.raw_ops.HistogramSummary(tag=tag, values=values))


def collect_number(tag: str, value: tf.Tensor) -> None:
    """Puts a number among the summaries of the graph."""
    _collect(tf.raw_ops.ScalarSummary(tags=tag, values=value))


def _collect(summary: tf.Tensor) -> None:
    # Collections belong to graphs: eagerly there is none that a session's hook could fetch from.
    if not tf.executing_eagerly():
        tf.compat.v1.add_to_collection(tf.compat.v1.GraphKeys.SUMMARIES, summary)


def collected() -> tf.Tensor | None:
    """The serialized collected summaries, a string scalar; None if there are none."""
    found = tf.compat.v1.get_collection(tf.compat.v1.GraphKeys.SUMMARIES)
    return tf.raw_ops.MergeSummary(inputs=found) if found else None


def parse(serialized: bytes) -> Summary:
    """The summary that an operation of TensorFlow 1 serialized; empty for no bytes."""
    return _Summary.FromString(serialized)


def writer_for(directory: str | None, writer: Any = None) -> Writer | None:
    """A writer into the caller's ``writer``, or into event files in ``directory``, or None."""
    if writer is not None:
        return _GivenWriter(writer)
    return None if directory is None else EventWriter(directory)


def read_events(
    directory: str, pattern: str = "events.out.tfevents.*"
) -> dict[int, dict[str, float]]:
    """All numbers of the event files in ``directory``, by step and tag, later files last.

    Args:
        directory: a path or a URL; its characters stand for themselves.
        pattern: the names of the files below it, or an absolute path with wildcards.
    """
    steps: dict[int, dict[str, float]] = {}
    for path in matching(directory, pattern):
        for event in _events(path):
            for value in event.summary.value:
                if value.HasField("simple_value"):
                    steps.setdefault(int(event.step), {})[value.tag] = value.simple_value
    return dict(sorted(steps.items()))


def _events(path: str) -> Iterator[Any]:
    try:
        for record in tf.data.TFRecordDataset(path).as_numpy_iterator():
            yield _Event.FromString(record)
    except tf.errors.DataLossError:
        # A killed writer may leave a truncated last record; all before it are good.
        return
