"""Reachability of a cluster's tasks, and the barrier before a start."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Mapping, Sequence

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, WorkerLostError
from rnn_core.config.cluster import Cluster
from rnn_core.distribution.addresses import (
    connection_error,
    describe,
    is_on_loopback,
    listening,
    of_workers,
    other_tasks,
    own_hosts,
    wait_for_workers,
)
from tests.rnn_core.distribution import clusters


def _place(cluster: Mapping[str, Sequence[str]], index: int) -> Cluster:
    return Cluster(tf.train.ClusterSpec(dict(cluster)), "worker", index, index == 0)


def test_the_others_are_all_tasks_but_this_one_and_evaluators() -> None:
    cluster = {"worker": ["a:1", "b:1"], "ps": ["c:1"], "evaluator": ["d:1"]}
    assert other_tasks(_place(cluster, 0)) == {"worker-1": "b:1", "ps-0": "c:1"}


def test_an_address_without_a_server_has_a_connection_error() -> None:
    (address,) = clusters.addresses({"worker": 1})["worker"]
    assert "refused" in str(connection_error(address))
    assert connection_error("no-port") is not None


def test_workers_wait_for_each_other_in_any_order() -> None:
    cluster = clusters.addresses({"worker": 3})
    met, all_met = [], threading.Event()

    def come(index: int) -> None:
        time.sleep(0.2 * index)
        deadline = time.monotonic() + 30
        with listening(_place(cluster, index), deadline) as listener:
            wait_for_workers(_place(cluster, index), deadline)
            met.append(index)
            # Those who come late may still ask for it.
            all_met.wait(30)
            listener.close()

    threads = [threading.Thread(target=come, args=(index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(0.1)
    assert met == []
    deadline = time.monotonic() + 20
    while len(met) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    all_met.set()
    for thread in threads:
        thread.join()
    assert sorted(met) == [0, 1, 2]


def test_a_worker_that_does_not_start_is_named() -> None:
    cluster = clusters.addresses({"worker": 2})
    with pytest.raises(WorkerLostError, match=r"worker-1 \(127.0.0.1:\d+\): .*refused"):
        wait_for_workers(_place(cluster, 0), time.monotonic() + 0.2)


def test_a_taken_port_is_named() -> None:
    cluster = clusters.addresses({"worker": 2})
    port = int(cluster["worker"][0].rpartition(":")[2])
    with (
        socket.create_server(("", port)),
        pytest.raises(ArgumentError, match=f"cannot listen at 127.0.0.1:{port}.*in use"),
        listening(_place(cluster, 0), time.monotonic() + 1),
    ):
        pass


def test_a_block_that_fails_listens_no_more() -> None:
    cluster = clusters.addresses({"worker": 2})
    with (
        contextlib.suppress(KeyError),
        listening(_place(cluster, 0), time.monotonic() + 1),
    ):
        assert connection_error(cluster["worker"][0]) is None
        raise KeyError
    assert "refused" in str(connection_error(cluster["worker"][0]))


def test_workers_are_in_the_order_of_the_cluster() -> None:
    places = of_workers(_place({"worker": ["b:1", "[::1]:2"], "chief": ["a:3"], "ps": ["p:4"]}, 0))
    assert places == [("chief-0", "a", 3), ("worker-0", "b", 1), ("worker-1", "::1", 2)]


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [
        (["127.0.0.1", "[::1]", "localhost", "127.0.1.1"], True),
        (["127.0.0.1", "10.0.0.1"], False),
        # A name may be loopback on one machine and not on the others.
        (["127.0.0.1", "node1"], False),
    ],
)
def test_a_cluster_is_on_loopback_if_all_its_tasks_are(hosts: list[str], expected: bool) -> None:
    cluster = {"worker": [f"{host}:1" for host in hosts]}
    assert is_on_loopback(_place(cluster, 0)) is expected


@pytest.mark.parametrize(
    ("own", "others", "expected"),
    [
        ("127.0.0.1", ["127.0.0.1"], ["127.0.0.1"]),
        ("127.0.1.1", ["127.0.0.1"], ["127.0.1.1"]),
        ("[::1]", ["[::1]"], ["::1"]),
    ],
)
def test_a_worker_listens_at_the_host_that_the_cluster_names(
    own: str, others: list[str], expected: list[str]
) -> None:
    cluster = {"worker": [f"{host}:1" for host in (own, *others)]}
    assert own_hosts(_place(cluster, 0), time.monotonic()) == expected


def test_a_host_without_an_address_is_named() -> None:
    cluster = {"worker": ["nowhere.invalid:1", "127.0.0.1:1"]}
    with (
        pytest.raises(ArgumentError, match=r"'nowhere.invalid', has no address"),
        listening(_place(cluster, 0), time.monotonic()),
    ):
        pass


def test_a_description_names_the_missing_ones() -> None:
    cluster = clusters.addresses({"worker": 2})
    assert "Unreachable: worker-1" in describe(_place(cluster, 0))
    port = int(cluster["worker"][1].rpartition(":")[2])
    with socket.create_server(("", port)):
        assert describe(_place(cluster, 0)) == "All other workers are reachable now."
