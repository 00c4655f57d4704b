"""The sum of the buffers of all workers, in as few messages one after the other as can be.

TensorFlow's all-reduce on CPUs passes pieces around a ring: among W workers, 2 (W - 1) messages
wait for each other, and a small buffer travels as long as a large one. Here all workers write to
all others at once. Two of them swap their buffers. More do it in two rounds: each gets the same
piece of every buffer, adds these up, and gives the sum to all. As many bytes travel as in a ring.

Buffers are added in the order of the workers, so that all get the same sum to the bit.
"""

from __future__ import annotations

import contextlib
import threading
import zlib
from collections.abc import Iterator
from typing import Final

import tensorflow as tf

# Nothing public ends an exchange that hangs; TensorFlow's strategies do it this way, too.
from tensorflow.python.eager import context

_GROUP_KEY: Final = 5_244_238
"""Strategies number their own groups from 1 on."""
_INSTANCES: Final = 2**31 - 1


def total_of_workers(value: tf.Tensor, workers: int) -> tf.Tensor:
    """In a graph, on a CPU of each of ``workers``: the sum of their values, of one shape.

    Args:
        value: float32 or float64 of known shape.
        workers: W, at least 2, each with one device.
    """
    if workers == 2:
        both = tf.tile(tf.expand_dims(value, 0), [2] + [1] * value.shape.rank)
        return tf.reduce_sum(_swapped(both, "whole"), 0)
    size = value.shape.num_elements()
    length = -(-size // workers)
    flat = tf.pad(tf.reshape(value, [-1]), [[0, length * workers - size]])
    pieces = _swapped(tf.reshape(flat, [workers, length]), "pieces")
    own = tf.tile(tf.reduce_sum(pieces, 0, keepdims=True), [workers, 1])
    total = tf.reshape(_swapped(own, "sums"), [-1])
    return tf.reshape(total[:size], value.shape)


def _swapped(rows: tf.Tensor, purpose: str) -> tf.Tensor:
    """Row i of each worker goes to worker i; the rows that come are in the order of workers."""
    what = f"{purpose} {rows.dtype.name} {rows.shape.as_list()}"
    return tf.raw_ops.CollectiveAllToAllV2(
        input=rows,
        group_size=rows.shape[0],
        group_key=_GROUP_KEY,
        # What is exchanged says what belongs together, so that workers may trace in any order.
        instance_key=zlib.crc32(what.encode()) % _INSTANCES,
        ordering_token=[],
    )


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Ends the exchange that runs inside when the time is over; no other can follow.

    The operations have a time limit of their own, and do without: for each exchange it leaves a
    thread behind, which sleeps until the time is over. After some ten thousand steps a process can
    have no more of them.

    Raises:
        tf.errors.DeadlineExceededError: from the exchange.
    """
    timer = threading.Timer(seconds, _abort, [seconds])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _abort(seconds: float) -> None:
    message = f"Collective has timed out: no answer in {seconds:g} s."
    context.context().abort_collective_ops(tf.errors.DEADLINE_EXCEEDED, message)
