"""Connections between all workers, which strangers do not get."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from rnn_core.distribution.peer_connections import connect


class Tables:
    """Gives the rows of all threads to each, as collectives do to processes."""

    def __init__(self, count: int) -> None:
        self._rows: list[Any] = [None] * count
        self._barrier = threading.Barrier(count, timeout=20)
        self.first = threading.Event()

    def table(self, worker: int, row: Sequence[float]) -> Any:
        self._rows[worker] = row
        self._barrier.wait()
        found = np.asarray(self._rows, np.float64)
        self._barrier.wait()
        if not self.first.is_set():
            self.ports = found[:, 0].astype(int).tolist()
            self.first.set()
        return found


def connect_all(hosts: Sequence[str], tables: Tables) -> list[Any]:
    def one(worker: int) -> Any:
        return connect(worker, hosts, lambda row: tables.table(worker, row), 10.0)

    with ThreadPoolExecutor(len(hosts)) as pool:
        return list(pool.map(one, range(len(hosts))))


@pytest.mark.parametrize("hosts", [["127.0.0.1"] * 4, ["127.0.0.1", "127.0.0.2"], ["::1"] * 2])
def test_each_worker_reaches_each_other(hosts: list[str]) -> None:
    found = connect_all(hosts, Tables(len(hosts)))
    for worker, connections in enumerate(found):
        assert sorted(connections) == [at for at in range(len(hosts)) if at != worker]
        for at, connection in connections.items():
            found[at][worker].sendall(bytes([worker, at]))
            connection.setblocking(True)
            assert connection.recv(2) == bytes([worker, at])
    for connections in found:
        for connection in connections.values():
            connection.close()


def test_if_two_cannot_connect_no_worker_has_connections(
    caplog: pytest.LogCaptureFixture,
) -> None:
    # An address of documentation, RFC 5737, which no machine has.
    assert connect_all(["127.0.0.1", "192.0.2.1"], Tables(2)) == [None, None]
    assert "Cannot listen at 192.0.2.1" in caplog.text


def test_a_stranger_without_the_secret_is_turned_away() -> None:
    class Late(Tables):
        """Worker 1 connects when a stranger has."""

        def table(self, worker: int, row: Sequence[float]) -> Any:
            found = super().table(worker, row)
            if worker == 1 and not hasattr(self, "stranger"):
                self.first.wait(10)
                self.stranger = socket.create_connection(("127.0.0.1", self.ports[0]), 10)
                self.stranger.sendall(struct.pack("!QQI", 1, 2, 1))
            return found

    tables = Late(2)
    found = connect_all(["127.0.0.1"] * 2, tables)
    with tables.stranger as stranger:
        assert stranger.recv(1) == b""
    found[1][0].sendall(b"x")
    found[0][1].setblocking(True)
    assert found[0][1].recv(1) == b"x"
    for connections in found:
        for connection in connections.values():
            connection.close()
