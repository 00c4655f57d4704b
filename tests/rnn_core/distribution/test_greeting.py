"""What two workers show each other, and what a stranger cannot."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from rnn_core.distribution import greeting
from rnn_core.distribution.greeting import RefusedError, WrongTokenError, answer, call

TOKEN, OTHER = b"t" * 32, b"o" * 32
Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    with ends[0], ends[1]:
        yield ends


def _both(caller: Callable[[], Any], listener: Callable[[], Any]) -> list[Any]:
    """What each returns or raises."""
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(caller), pool.submit(listener)]
        return [future.exception() or future.result() for future in futures]


def test_workers_with_one_token_are_sure_of_each_other(pair: Pair) -> None:
    found = _both(lambda: call(pair[0], TOKEN, 3, 1), lambda: answer(pair[1], TOKEN, 1))
    assert found == [None, 3]


def test_a_caller_with_another_token_is_refused(pair: Pair) -> None:
    def listener() -> int:
        with pair[1]:
            return answer(pair[1], TOKEN, 1)

    called, answered = _both(lambda: call(pair[0], OTHER, 3, 1), listener)
    assert isinstance(answered, WrongTokenError)
    assert isinstance(called, RefusedError)


def test_a_listener_with_another_token_is_refused(pair: Pair) -> None:
    """It takes whoever comes, but cannot show that it knows the token."""

    def listener() -> None:
        pair[1].sendall(b"c" * 16)
        pair[1].recv(1000)
        pair[1].sendall(b"p" * 32)

    called, _ = _both(lambda: call(pair[0], TOKEN, 3, 1), listener)
    assert isinstance(called, WrongTokenError)


def test_a_call_is_for_one_listener(pair: Pair) -> None:
    _, answered = _both(lambda: call(pair[0], TOKEN, 3, 2), lambda: _closing(pair[1]))
    assert isinstance(answered, WrongTokenError)


def _closing(connection: socket.socket) -> int:
    with connection:
        return answer(connection, TOKEN, 1)


def test_what_somebody_has_overheard_is_of_no_use(pair: Pair) -> None:
    heard = socket.socketpair()
    with heard[0], heard[1]:
        # Somebody asks a caller, and says its answer to another listener.
        pair[1].sendall(b"c" * 16)
        with ThreadPoolExecutor(1) as pool:
            calling = pool.submit(call, pair[0], TOKEN, 3, 1)
            said = pair[1].recv(1000)
            heard[0].sendall(said)
            with pytest.raises(WrongTokenError):
                answer(heard[1], TOKEN, 1)
            pair[1].close()
            assert isinstance(calling.exception(), RefusedError)


def test_nobody_waits_long_for_who_says_nothing(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(greeting, "_LIMIT_SECONDS", 0.1)
    with pytest.raises(TimeoutError):
        answer(pair[1], TOKEN, 1)
    pair[0].recv(16)
    with pytest.raises(TimeoutError):
        call(pair[0], TOKEN, 3, 1)
