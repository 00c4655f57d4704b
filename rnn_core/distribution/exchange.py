"""The sum of the buffers of all workers, over one TCP connection between each two.

TensorFlow's all-reduce on CPUs passes pieces around a ring of gRPC calls: among W workers,
2 (W - 1) messages wait for each other, and each wakes a dozen threads of a process that computes.
Here all workers write to all others at once, from the thread that needs the sum. Two of them swap
their buffers. More do it in two rounds: each gets the same piece of every buffer, adds these up,
and gives the sum to all. As many bytes travel as in a ring.

Buffers are added in the order of the workers, so that all get the same sum to the bit.
`python -m benchmarks workers` measures it.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

import numpy as np
import tensorflow as tf

from rnn_core.types import Array

_HEADER: Final = struct.Struct("!QQ")
"""What begins a message: the number of the exchange, and the bytes that follow."""
_AWAKE_SECONDS: Final = 0.003


class ExchangeError(RuntimeError):
    """An exchange did not end; the message says which worker is missing."""


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
        self._number = 0
        self.fault: str | None = None
        """Why the last exchange failed. None can follow: what is on its way belongs to that one."""

    def traced_total(self, value: tf.Tensor) -> tf.Tensor:
        """``total`` as an operation of a graph; its shape must be known."""
        total = tf.numpy_function(self.total, [value], value.dtype)
        total.set_shape(value.shape)
        return total

    def total(self, own: Array) -> Array:
        """The sum of what all workers give at the same time, of one shape and dtype.

        Raises:
            ExchangeError: a worker is gone, or did not come in time, or gave something else.
        """
        if self.fault:
            raise ExchangeError(self.fault)
        flat = np.ascontiguousarray(own).reshape(-1)
        try:
            total = self._sum_of_two(flat) if self._count == 2 else self._sum_of_many(flat)
        except (OSError, ExchangeError) as error:
            self.fault = str(error)
            raise
        return total.reshape(np.shape(own))

    def _sum_of_two(self, own: Array) -> Array:
        other, taken = 1 - self._worker, np.empty_like(own)
        self._swap({other: own}, {other: taken})
        return np.add(own, taken, out=taken)

    def _sum_of_many(self, own: Array) -> Array:
        bounds = [own.size * place // self._count for place in range(self._count + 1)]
        pieces = [slice(*ends) for ends in pairwise(bounds)]
        mine = pieces[self._worker]
        rows = np.empty([self._count, mine.stop - mine.start], own.dtype)
        rows[self._worker] = own[mine]
        others = list(self._connections)
        self._swap({at: own[pieces[at]] for at in others}, {at: rows[at] for at in others})
        total = np.empty_like(own)
        total[mine] = np.add.reduce(rows, 0)
        self._swap(dict.fromkeys(others, total[mine]), {at: total[pieces[at]] for at in others})
        return total

    def _swap(self, given: Mapping[int, Array], taken: Mapping[int, Array]) -> None:
        """Writes what is ``given`` to each worker, and fills what is ``taken`` from it."""
        self._number += 1
        messages = {
            connection.fileno(): _Message(
                self._names[at], connection, self._number, given[at], taken[at]
            )
            for at, connection in self._connections.items()
        }
        _finish(messages, self._timeout_seconds)


def _finish(messages: Mapping[int, _Message], limit_seconds: float) -> None:
    began = time.monotonic()
    waiting = {number: one for number, one in messages.items() if not one.advance()}
    while waiting:
        for number in _ready(waiting, time.monotonic() - began, limit_seconds):
            if waiting[number].advance():
                del waiting[number]


def _ready(
    waiting: Mapping[int, _Message], waited_seconds: float, limit_seconds: float
) -> list[int]:
    """The connections that can go on; first without sleep, since to be woken takes longer than the
    others usually do, but so that other threads get their turn on this core.

    Raises:
        ExchangeError: there was none in time.
    """
    poll = select.poll()
    for number, one in waiting.items():
        poll.register(number, one.events)
    if waited_seconds < _AWAKE_SECONDS:
        os.sched_yield()
        return [number for number, _ in poll.poll(0)]
    ready = poll.poll(max(0.0, 1000 * (limit_seconds - waited_seconds)))
    if not ready:
        names = ", ".join(one.name for one in waiting.values())
        raise ExchangeError(f"no answer of {names} in {limit_seconds:g} s")
    return [number for number, _ in ready]


class _Message:
    """What goes to one worker and what comes from it, as far as they are."""

    def __init__(
        self, name: str, connection: socket.socket, number: int, given: Array, taken: Array
    ) -> None:
        self.name = name
        self._connection = connection
        self._expected = _HEADER.pack(number, taken.nbytes)
        self._came = bytearray(_HEADER.size)
        self._out = [memoryview(_HEADER.pack(number, given.nbytes)), *_bytes_of(given)]
        self._into = [memoryview(self._came), *_bytes_of(taken)]

    @property
    def events(self) -> int:
        """What the connection must be ready for."""
        return (select.POLLOUT if self._out else 0) | (select.POLLIN if self._into else 0)

    def advance(self) -> bool:
        """Moves what can be moved now; True: both directions are done."""
        try:
            self._send()
            self._receive()
        except OSError as error:
            raise ExchangeError(f"{self.name} is gone: {error.strerror or error}") from None
        return not (self._out or self._into)

    def _send(self) -> None:
        try:
            while self._out:
                self._out = _rest(self._out, self._connection.sendmsg(self._out))
        except BlockingIOError:
            return

    def _receive(self) -> None:
        try:
            while self._into:
                size = self._connection.recvmsg_into(self._into)[0]
                if not size:
                    raise ExchangeError(f"{self.name} is gone: it closed its connection")
                self._into = _rest(self._into, size)
                self._check()
        except BlockingIOError:
            return

    def _check(self) -> None:
        """The header that came must be that of the same exchange, once it is there."""
        header_is_there = len(self._into) < 2 and not (
            self._into and self._into[0].obj is self._came
        )
        if header_is_there and self._came != self._expected:
            raise ExchangeError(
                f"{self.name} is at another point of the training: it sent exchange "
                f"{_HEADER.unpack(self._came)} (number, bytes), where this worker "
                f"expected {_HEADER.unpack(self._expected)}; do all run the same program?"
            )


def _bytes_of(array: Array) -> list[Any]:
    """Its memory as bytes; nothing if it is empty, which no socket could report as done."""
    return [memoryview(array.data).cast("B")] if array.size else []


def _rest(views: Sequence[Any], done: int) -> list[Any]:
    """``views`` without their first ``done`` bytes."""
    rest = []
    for view in views:
        if done < len(view):
            rest.append(view[done:])
        done = max(0, done - len(view))
    return rest
