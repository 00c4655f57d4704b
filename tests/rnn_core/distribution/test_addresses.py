"""Reachability of a cluster's tasks, and the barrier before a start."""

from __future__ import annotations

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
    other_tasks,
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
        wait_for_workers(_place(cluster, index), time.monotonic() + 30)
        # Its own server, which those who come late may still ask for.
        with socket.create_server(("", int(cluster["worker"][index].rpartition(":")[2]))):
            met.append(index)
            all_met.wait(30)

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
        pytest.raises(ArgumentError, match=f"cannot listen at 127.0.0.1:{port}"),
    ):
        wait_for_workers(_place(cluster, 0), time.monotonic() + 1)


def test_a_description_names_the_missing_ones() -> None:
    cluster = clusters.addresses({"worker": 2})
    assert "Unreachable: worker-1" in describe(_place(cluster, 0))
    port = int(cluster["worker"][1].rpartition(":")[2])
    with socket.create_server(("", port)):
        assert describe(_place(cluster, 0)) == "All other workers are reachable now."
