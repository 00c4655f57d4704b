"""Buffers that workers send each other over connections, as far as they have gone and come."""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rnn_core.types import Array

AWAKE_SECONDS: Final = 0.003
"""Who waits is awake for so long at first."""
_HEADER: Final = struct.Struct("!QQ")
"""What begins a message: the number of the round, and the bytes that follow."""


class ExchangeError(RuntimeError):
    """An exchange did not end; the message says which worker is missing."""


def finish(messages: Mapping[int, Message], limit_seconds: float) -> None:
    """Until all, by their connections' numbers, have gone and come. Raises ExchangeError."""
    began = time.monotonic()
    waiting = {number: one for number, one in messages.items() if not one.advance()}
    while waiting:
        for number in _ready(waiting, time.monotonic() - began, limit_seconds):
            if waiting[number].advance():
                del waiting[number]


def _ready(
    waiting: Mapping[int, Message], waited_seconds: float, limit_seconds: float
) -> list[int]:
    """The connections that can go on; first without sleep, since to be woken takes longer than the
    others usually do, but so that other threads get their turn on this core.

    Raises:
        ExchangeError: there was none in time.
    """
    poll = select.poll()
    for number, one in waiting.items():
        poll.register(number, one.events)
    if waited_seconds < AWAKE_SECONDS:
        os.sched_yield()
        return [number for number, _ in poll.poll(0)]
    ready = poll.poll(max(0.0, 1000 * (limit_seconds - waited_seconds)))
    if not ready:
        names = ", ".join(one.name for one in waiting.values())
        raise ExchangeError(f"no answer of {names} in {limit_seconds:g} s")
    return [number for number, _ in ready]


class Message:
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
