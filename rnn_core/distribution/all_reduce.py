"""All-reduce sum over one TCP connection between each two workers.

TensorFlow's all-reduce on CPUs passes pieces around a ring of gRPC calls: among W workers,
2 (W - 1) messages wait for each other, and each wakes a dozen threads of a process that computes.
Here all workers write to all others at once, from the thread that needs the sum. Two workers send
each other their whole buffers. More run a reduce-scatter and an all-gather: each receives one piece
of every buffer, adds these up, and sends the sum to all. As many bytes travel as in a ring.

Buffers are added in the order of the workers, so that all get the same sum to the bit. In a graph
a native operation does the same if it is built (``kernels/exchange.h``), because a call of Python
takes longer than the transfer. `python -m benchmarks workers` measures it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import tensorflow as tf

from rnn_core.distribution.messages import SPIN_SECONDS, ExchangeError, Message, finish
from rnn_core.kernels.library import operations
from rnn_core.types import Array

_NATIVE_FAULT: Final = re.compile(r"RnnCoreAllReduceSum: (.*)")


class Exchange:
    """This worker's end of the connections between all.

    Args:
        worker: the index of this worker.
        connections: non-blocking sockets to all other workers, by the index of the worker.
        timeout_seconds: how long one exchange may take.
        names: the names of all workers for error texts, in their order.
    """

    def __init__(
        self,
        worker: int,
        connections: Mapping[int, socket.socket],
        timeout_seconds: float,
        names: Sequence[str],
    ) -> None:
        self._worker = worker
        self._connections = connections
        self._count = len(connections) + 1
        self._timeout_seconds = timeout_seconds
        self._names = names
        self._number = tf.Variable(0, dtype=tf.int64, trainable=False)
        self._fault: str | None = None

    def traced_all_reduce_sum(self, value: tf.Tensor) -> tf.Tensor:
        """``all_reduce_sum`` as an operation of a graph; the shape of ``value`` must be known."""
        # A variable, so that the number also grows when the graph runs without Python.
        number = self._number.assign_add(1)
        native = operations("exchange")
        if native is not None:
            peers = sorted(self._connections)
            return native.rnn_core_all_reduce_sum(
                own=value,
                number=number,
                worker=self._worker,
                sockets=[self._connections[peer].fileno() for peer in peers],
                names=[self._names[peer] for peer in peers],
                timeout_seconds=self._timeout_seconds,
                spin_seconds=SPIN_SECONDS,
            )
        total = tf.numpy_function(self._numbered_sum, [value, number], value.dtype)
        total.set_shape(value.shape)
        return total

    def all_reduce_sum(self, own: Array) -> Array:
        """The sum over all workers, which must all call this with one shape and dtype.

        Raises:
            ExchangeError: a worker is gone, did not answer in time, or sent another message.
        """
        return self._numbered_sum(own, int(self._number.assign_add(1)))

    def fault(self, error: Exception) -> str | None:
        """Why an exchange failed, None if ``error`` has another cause.

        No other exchange can follow a failed one: parts of its messages may still be on the way.
        """
        native = _NATIVE_FAULT.search(str(error))
        if native:
            self._fault = native[1]
        return self._fault

    def _numbered_sum(self, own: Array, number: int) -> Array:
        if self._fault:
            raise ExchangeError(self._fault)
        # An exchange takes up to two rounds, numbered 2n and 2n + 1, so that a message of another
        # round or of another exchange is recognised.
        sum_of = self._sum_of_two if self._count == 2 else self._sum_of_many
        try:
            total = sum_of(np.ascontiguousarray(own).reshape(-1), 2 * int(number))
        except (OSError, ExchangeError) as error:
            self._fault = str(error)
            raise
        return total.reshape(np.shape(own))

    def _sum_of_two(self, own: Array, number: int) -> Array:
        other, taken = 1 - self._worker, np.empty_like(own)
        self._swap(number, {other: own}, {other: taken})
        return np.add(own, taken, out=taken)

    def _sum_of_many(self, own: Array, number: int) -> Array:
        bounds = [own.size * worker // self._count for worker in range(self._count + 1)]
        pieces = [slice(*ends) for ends in pairwise(bounds)]
        mine = pieces[self._worker]
        rows = np.empty([self._count, mine.stop - mine.start], own.dtype)
        rows[self._worker] = own[mine]
        others = list(self._connections)
        self._swap(number, {at: own[pieces[at]] for at in others}, {at: rows[at] for at in others})
        total = np.empty_like(own)
        # The rows are in the order of the workers on each of them: the sums are equal to the bit.
        total[mine] = np.add.reduce(rows, 0)
        summed = dict.fromkeys(others, total[mine])
        self._swap(number + 1, summed, {at: total[pieces[at]] for at in others})
        return total

    def _swap(self, number: int, given: Mapping[int, Array], taken: Mapping[int, Array]) -> None:
        """Sends each array of ``given`` to its worker and receives into those of ``taken``."""
        messages = {
            connection.fileno(): Message(self._names[at], connection, number, given[at], taken[at])
            for at, connection in self._connections.items()
        }
        finish(messages, self._timeout_seconds)
