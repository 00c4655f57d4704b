"""The sum of the buffers of all workers, over one TCP connection between each two.

TensorFlow's all-reduce on CPUs passes pieces around a ring of gRPC calls: among W workers,
2 (W - 1) messages wait for each other, and each wakes a dozen threads of a process that computes.
Here all workers write to all others at once, from the thread that needs the sum. Two of them swap
their buffers. More do it in two rounds: each gets the same piece of every buffer, adds these up,
and gives the sum to all. As many bytes travel as in a ring.

Buffers are added in the order of the workers, so that all get the same sum to the bit. In a graph
a native operation does the same, where it is built (``kernels/exchange.h``): Python takes longer
than the bytes do. `python -m benchmarks workers` measures it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import tensorflow as tf

from rnn_core.distribution.messages import AWAKE_SECONDS, ExchangeError, Message, finish
from rnn_core.kernels.library import operations
from rnn_core.types import Array

_NATIVE_FAULT: Final = re.compile(r"RnnCoreTotal: (.*)")


class Exchange:
    """This worker's end of the connections between all.

    Args:
        worker: the place of this worker.
        connections: those to all others, by their places.
        timeout_seconds: how long an exchange may take.
        names: what errors call the workers, in their order.
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

    def traced_total(self, value: tf.Tensor) -> tf.Tensor:
        """``total`` as an operation of a graph; its shape must be known."""
        number = self._number.assign_add(1)
        native = operations("exchange")
        if native is not None:
            return native.rnn_core_total(own=value, number=number, **self._attributes())
        total = tf.numpy_function(self._numbered_total, [value, number], value.dtype)
        total.set_shape(value.shape)
        return total

    def _attributes(self) -> dict[str, Any]:
        """What the native operation must know."""
        places = sorted(self._connections)
        return {
            "worker": self._worker,
            "sockets": [self._connections[place].fileno() for place in places],
            "names": [self._names[place] for place in places],
            "timeout_seconds": self._timeout_seconds,
            "awake_seconds": AWAKE_SECONDS,
        }

    def total(self, own: Array) -> Array:
        """The sum of what all workers give at the same time, of one shape and dtype.

        Raises:
            ExchangeError: a worker is gone, or did not come in time, or gave something else.
        """
        return self._numbered_total(own, int(self._number.assign_add(1)))

    def fault(self, error: Exception) -> str | None:
        """Why an exchange failed, if it is what ended in ``error``.

        None can follow then: what is on its way belongs to the failed one.
        """
        native = _NATIVE_FAULT.search(str(error))
        if native:
            self._fault = native[1]
        return self._fault

    def _numbered_total(self, own: Array, number: int) -> Array:
        if self._fault:
            raise ExchangeError(self._fault)
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
        bounds = [own.size * place // self._count for place in range(self._count + 1)]
        pieces = [slice(*ends) for ends in pairwise(bounds)]
        mine = pieces[self._worker]
        rows = np.empty([self._count, mine.stop - mine.start], own.dtype)
        rows[self._worker] = own[mine]
        others = list(self._connections)
        self._swap(number, {at: own[pieces[at]] for at in others}, {at: rows[at] for at in others})
        total = np.empty_like(own)
        total[mine] = np.add.reduce(rows, 0)
        summed = dict.fromkeys(others, total[mine])
        self._swap(number + 1, summed, {at: total[pieces[at]] for at in others})
        return total

    def _swap(self, number: int, given: Mapping[int, Array], taken: Mapping[int, Array]) -> None:
        """Writes what is ``given`` to each worker, and fills what is ``taken`` from it."""
        messages = {
            connection.fileno(): Message(self._names[at], connection, number, given[at], taken[at])
            for at, connection in self._connections.items()
        }
        finish(messages, self._timeout_seconds)
