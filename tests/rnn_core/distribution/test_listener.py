"""Where a worker listens, and whom it keeps."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from rnn_core.distribution.greeting import RefusedError, call
from rnn_core.distribution.listener import Listener
from tests.listening import listening_at

TOKEN, OTHER = b"t" * 32, b"o" * 32


@pytest.fixture
def listener() -> Iterator[Listener]:
    made = Listener(0, ["127.0.0.1"], 0)
    yield made
    made.close()


def _connected(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), 10)


def test_it_listens_at_its_hosts_alone() -> None:
    listener = Listener(0, ["127.0.0.1", "::1"], 0)
    try:
        found = {host for host, port in listening_at() if port == listener.port}
        assert found == {"127.0.0.1", "::1"}
    finally:
        listener.close()


def test_a_port_that_is_taken_at_one_of_them_leaves_none(listener: Listener) -> None:
    before = listening_at()
    with pytest.raises(OSError, match="in use"):
        Listener(1, ["127.0.0.2", "127.0.0.1"], listener.port)
    assert listening_at() == before


def test_who_only_asks_whether_it_is_there_is_let_go(listener: Listener) -> None:
    with _connected(listener) as asking:
        assert asking.recv(1) == b""


def test_a_caller_with_the_token_is_kept_and_others_are_not(
    listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    listener.admit(TOKEN)
    connections = [_connected(listener) for _ in range(3)]
    stranger, silent, own = connections
    with stranger, silent, own:
        with pytest.raises(RefusedError):
            call(stranger, OTHER, 1, 0)
        assert len(silent.recv(16)) == 16
        call(own, TOKEN, 2, 0)
        found = listener.callers(1, 10)
        assert list(found) == [2]
        with found[2] as kept:
            own.sendall(b"x")
            assert kept.recv(1) == b"x"
    assert "does not know the token" in caplog.text


def test_a_worker_that_calls_again_is_kept_once(listener: Listener) -> None:
    listener.admit(TOKEN)
    with _connected(listener) as first, _connected(listener) as second:
        call(first, TOKEN, 1, 0)
        call(second, TOKEN, 1, 0)
        assert first.recv(1) == b""
        (kept,) = listener.callers(1, 10).values()
        with kept:
            kept.sendall(b"x")
        assert second.recv(1) == b"x"


def test_once_all_have_called_nobody_else_is_kept(listener: Listener) -> None:
    listener.admit(TOKEN)
    with _connected(listener) as own, _connected(listener) as late:
        call(own, TOKEN, 1, 0)
        listener.callers(1, 10)[1].close()
        # It came while the greeting of all was still on, and so gets as far as an answer.
        call(late, TOKEN, 1, 0)
        assert late.recv(1) == b""
    with _connected(listener) as later, pytest.raises(RefusedError):
        call(later, TOKEN, 1, 0)


def test_those_that_came_are_turned_away_if_others_do_not(listener: Listener) -> None:
    listener.admit(TOKEN)
    with _connected(listener) as own:
        call(own, TOKEN, 1, 0)
        assert list(listener.callers(2, 0.01)) == [1]
        listener.turn_away()
        assert own.recv(1) == b""


def test_after_its_end_nobody_listens(listener: Listener) -> None:
    port = listener.port
    listener.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 10)
    Listener(0, ["127.0.0.1"], port).close()
