"""Sends and receives buffers over non-blocking sockets, several peers at once."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rnn_core.types import Array

SPIN_SECONDS: Final = 0.003
"""Busy-wait this long before blocking in poll(): a wake-up takes longer than most messages do."""
_HEADER: Final = struct.Struct("!QQ")
"""The header of a message: the number of the round, and the size of the payload in bytes."""


class ExchangeError(RuntimeError):
    """An exchange failed; the message names the missing worker."""


def finish(messages: Mapping[int, Message], limit_seconds: float) -> None:
    """Returns when all messages have been sent and received.

    Args:
        messages: by the file descriptors of their sockets.
        limit_seconds: for all of them together.

    Raises:
        ExchangeError: a peer closed its connection, sent something else, or was too slow.
    """
    began = time.monotonic()
    waiting = {number: one for number, one in messages.items() if not one.advance()}
    while waiting:
        for number in _ready(waiting, time.monotonic() - began, limit_seconds):
            if waiting[number].advance():
                del waiting[number]


def _ready(
    waiting: Mapping[int, Message], waited_seconds: float, limit_seconds: float
) -> list[int]:
    """The file descriptors that are ready: polled at first, then blocking. Raises ExchangeError."""
    poll = select.poll()
    for number, one in waiting.items():
        poll.register(number, one.events)
    if waited_seconds < SPIN_SECONDS:
        # While it busy-waits, other threads may run on this core.
        os.sched_yield()
        return [number for number, _ in poll.poll(0)]
    ready = poll.poll(max(0.0, 1000 * (limit_seconds - waited_seconds)))
    if not ready:
        names = ", ".join(one.name for one in waiting.values())
        raise ExchangeError(f"no answer of {names} in {limit_seconds:g} s")
    return [number for number, _ in ready]


class Message:
    """One message to a peer and one from it, with what is left of both."""

    def __init__(
        self, name: str, connection: socket.socket, number: int, given: Array, taken: Array
    ) -> None:
        self.name = name
        self._connection = connection
        self._expected = _HEADER.pack(number, taken.nbytes)
        self._header = bytearray(_HEADER.size)
        # Views of the memory that is still to be sent and to be filled; done parts are cut off.
        self._out = [memoryview(_HEADER.pack(number, given.nbytes)), *_bytes_of(given)]
        self._into = [memoryview(self._header), *_bytes_of(taken)]

    @property
    def events(self) -> int:
        """The poll() events that the socket is waited for."""
        return (select.POLLOUT if self._out else 0) | (select.POLLIN if self._into else 0)

    def advance(self) -> bool:
        """Sends and receives what is possible without blocking; True: both directions are done."""
        # Each direction ends with BlockingIOError when the socket's buffer is full, or empty. Both
        # are tried in each call: two peers that only send would wait for each other.
        try:
            with contextlib.suppress(BlockingIOError):
                while self._out:
                    self._out = _rest(self._out, self._connection.sendmsg(self._out))
            with contextlib.suppress(BlockingIOError):
                while self._into:
                    size = self._connection.recvmsg_into(self._into)[0]
                    if not size:
                        raise ExchangeError(f"{self.name} is gone: it closed its connection")
                    self._into = _rest(self._into, size)
                    self._check_header()
        except OSError as error:
            raise ExchangeError(f"{self.name} is gone: {error.strerror or error}") from None
        return not (self._out or self._into)

    def _check_header(self) -> None:
        """Compares the header, once it is complete, with that of the same round."""
        # The views are filled in order, so the header is complete once its own view is used up,
        # that is, no longer the first one. The views of an array may compare equal, so identity of
        # the underlying buffer decides.
        header_is_complete = not self._into or self._into[0].obj is not self._header
        if header_is_complete and self._header != self._expected:
            raise ExchangeError(
                f"{self.name} is at another point of the training: it sent exchange "
                f"{_HEADER.unpack(self._header)} (number, bytes), where this worker "
                f"expected {_HEADER.unpack(self._expected)}; do all run the same program?"
            )


def _bytes_of(array: Array) -> list[Any]:
    """The memory of ``array`` as bytes; no view if it is empty, since no call could consume it."""
    return [memoryview(array.data).cast("B")] if array.size else []


def _rest(views: Sequence[Any], done: int) -> list[Any]:
    """``views`` without their first ``done`` bytes."""
    rest = []
    for view in views:
        if done < len(view):
            rest.append(view[done:])
        done = max(0, done - len(view))
    return rest
