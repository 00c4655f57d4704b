"""Connections between all workers, which strangers do not get."""

from __future__ import annotations

import logging
import socket
import stat
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rnn_core.distribution import peer_connections
from rnn_core.distribution.addresses import Place
from rnn_core.distribution.greeting import TOKEN_BYTES, RefusedError, call
from rnn_core.distribution.listener import Listener
from rnn_core.distribution.messages import ExchangeError
from rnn_core.distribution.peer_connections import connect

Connections = dict[int, socket.socket]


class Group:
    """Workers as threads; each may begin when a test wants it to."""

    def __init__(self, hosts: Sequence[str], directory: Path) -> None:
        self.directory = directory
        self.listeners = [Listener(index, [host], 0) for index, host in enumerate(hosts)]
        self.places = [
            Place(f"worker-{index}", host, self.listeners[index].port)
            for index, host in enumerate(hosts)
        ]
        self._pool = ThreadPoolExecutor(len(hosts))
        self.made: list[Future[Connections]] = []

    def begin(self, worker: int, seconds: float = 30.0) -> Future[Connections]:
        listener, directory = self.listeners[worker], str(self.directory)
        future = self._pool.submit(connect, worker, self.places, listener, directory, seconds)
        self.made.append(future)
        return future

    def all(self) -> list[Connections]:
        """The connections of each worker."""
        return [future.result() for future in [self.begin(at) for at in range(len(self.places))]]

    def close(self) -> None:
        self._pool.shutdown()
        for listener in self.listeners:
            listener.close()
        for future in self.made:
            if not future.exception():
                for connection in future.result().values():
                    connection.close()


@pytest.fixture
def group(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Group]:
    made = Group(getattr(request, "param", ["127.0.0.1"] * 3), tmp_path / "workers")
    yield made
    made.close()


def _assert_complete(found: Sequence[Connections]) -> None:
    for worker, connections in enumerate(found):
        assert sorted(connections) == [at for at in range(len(found)) if at != worker]
        for at, connection in connections.items():
            found[at][worker].sendall(bytes([worker, at]))
            connection.setblocking(True)
            assert connection.recv(2) == bytes([worker, at])


@pytest.mark.parametrize(
    "group", [["127.0.0.1"] * 4, ["127.0.0.1", "127.0.0.2"], ["::1"] * 2], indirect=True
)
def test_each_worker_reaches_each_other(group: Group) -> None:
    _assert_complete(group.all())


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_the_token_is_for_one_user_and_one_training(group: Group) -> None:
    token = group.directory / "token"
    chief = group.begin(0)
    _wait_for(token)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    first = token.read_text()
    assert len(bytes.fromhex(first)) == TOKEN_BYTES
    rest = [group.begin(1), group.begin(2)]
    _assert_complete([future.result() for future in (chief, *rest)])
    assert not token.exists()
    group.begin(0, seconds=0.1).exception()
    assert token.read_text() != first


def test_the_token_of_yesterday_opens_nothing(group: Group) -> None:
    group.directory.mkdir()
    (group.directory / "token").write_text("ab" * TOKEN_BYTES)
    late = [group.begin(2), group.begin(1)]
    time.sleep(0.3)
    assert not any(future.done() for future in late)
    chief = group.begin(0)
    _assert_complete([future.result() for future in (chief, late[1], late[0])])


def test_strangers_are_turned_away_and_disturb_nobody(
    group: Group, caplog: pytest.LogCaptureFixture
) -> None:
    """One says nothing, one too much, and one claims to be worker 2."""
    chief = group.begin(0)
    _wait_for(group.directory / "token")
    at = ("127.0.0.1", group.places[0].port)
    connections = [socket.create_connection(at, 10) for _ in range(3)]
    silent, loud, liar = connections
    with silent, loud, liar:
        loud.sendall(b"GET / HTTP/1.1\r\n\r\n" * 20)
        with pytest.raises(RefusedError):
            call(liar, b"x" * TOKEN_BYTES, 2, 0)
        rest = [group.begin(1), group.begin(2)]
        _assert_complete([future.result() for future in (chief, *rest)])
    warned = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert any("does not know the token" in message for message in warned)


@pytest.mark.parametrize(("gone", "left"), [(0, 1), (1, 0), (1, 2)])
def test_a_worker_that_is_gone_is_named_before_the_time_is_over(
    group: Group, gone: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer_connections, "_GONE_SECONDS", 0.0)
    group.listeners[gone].close()
    others = [group.begin(at) for at in range(3) if at != gone]
    errors: list[Any] = [future.exception() for future in others]
    assert all(isinstance(error, ExchangeError) for error in errors)
    position = [at for at in range(3) if at != gone].index(left)
    assert str(errors[position]) == f"worker-{gone} is gone: nobody listens at its address"


@pytest.mark.parametrize("again", [0, 2])
def test_a_worker_that_is_started_again_meanwhile_is_waited_for(group: Group, again: int) -> None:
    group.listeners[again].close()
    others = {at: group.begin(at) for at in range(3) if at != again}
    time.sleep(0.3)
    place = group.places[again]
    group.listeners[again] = Listener(again, [place.host], place.port)
    found = {**others, again: group.begin(again)}
    _assert_complete([found[at].result() for at in range(3)])


@pytest.mark.parametrize(
    ("waiting", "said"),
    [(0, "no connection from worker-1, worker-2"), (1, "no connection to worker-0")],
)
def test_a_worker_that_does_not_begin_is_named(group: Group, waiting: int, said: str) -> None:
    error = group.begin(waiting, seconds=0.2).exception()
    assert isinstance(error, ExchangeError)
    assert str(error).startswith(f"{said} in time")
