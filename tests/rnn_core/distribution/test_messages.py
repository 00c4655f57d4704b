"""Messages between two workers: whole at last, however little goes at once, or an error."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from rnn_core.distribution.messages import ExchangeError, Message, finish
from rnn_core.types import Array

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    with ends[0], ends[1]:
        for end in ends:
            end.setblocking(False)
        yield ends


def swap(pair: Pair, given: Array) -> tuple[list[Message], list[Array]]:
    """Both ends give the same; what each will have taken."""
    taken = [np.zeros_like(given) for _ in pair]
    messages = [
        Message(f"worker-{place}", end, 4, given, taken[place]) for place, end in enumerate(pair)
    ]
    return messages, taken


@pytest.mark.parametrize("size", [0, 1, 2_000_000])
def test_all_that_is_given_comes(pair: Pair, size: int) -> None:
    given = np.arange(size, dtype=np.float32)
    messages, taken = swap(pair, given)
    finish({end.fileno(): one for end, one in zip(pair, messages, strict=True)}, 10.0)
    for one in taken:
        np.testing.assert_array_equal(one, given)


def test_a_message_that_waits_says_for_what(pair: Pair) -> None:
    messages, _ = swap(pair, np.zeros(2_000_000, np.float32))
    finished = [messages[0].advance()]
    # It is larger than what the connection holds.
    assert messages[0].events == 5  # POLLIN and POLLOUT
    while not all(finished):
        finished = [one.advance() for one in messages]
    assert [one.events for one in messages] == [0, 0]


def test_who_does_not_come_in_time_is_named(pair: Pair) -> None:
    messages, _ = swap(pair, np.ones(3))
    with pytest.raises(ExchangeError, match=r"^no answer of worker-0 in 0\.1 s$"):
        finish({pair[0].fileno(): messages[0]}, 0.1)


def test_who_has_closed_is_gone(pair: Pair) -> None:
    messages, _ = swap(pair, np.ones(3))
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(ExchangeError, match=r"^worker-0 is gone: it closed its connection$"):
        messages[0].advance()
    pair[1].close()
    messages, _ = swap((pair[0], pair[0]), np.ones(3))
    with pytest.raises(ExchangeError, match=r"^worker-0 is gone: Broken pipe$"):
        messages[0].advance()


def test_another_round_is_an_error(pair: Pair) -> None:
    one = Message("worker-1", pair[0], 4, np.ones(3), np.ones(3))
    other = Message("worker-0", pair[1], 6, np.ones(3), np.ones(3))
    other.advance()
    with pytest.raises(ExchangeError, match=r"sent exchange \(6, 24\) .* expected \(4, 24\)"):
        one.advance()
