"""The commands of a local cluster: addresses, environments, logs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from components.errors import WorkerFailedError
from components.workers.cluster import WorkerCluster, find_cluster
from components.workers.local_cluster import free_ports, local_workers, own_worker


def test_ports_are_free_and_all_different() -> None:
    ports = free_ports(20)
    assert len({*ports}) == 20
    sockets = [socket.socket() for _ in ports]
    try:
        for one, port in zip(sockets, ports, strict=True):
            one.bind(("", port))
    finally:
        for one in sockets:
            one.close()


def test_ports_are_none_that_the_system_gives_to_outgoing_connections() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(1024 < port < first for port in free_ports(50))


def test_too_many_ports_are_an_error_with_the_numbers() -> None:
    with pytest.raises(WorkerFailedError, match="expected 100000 free ports"):
        free_ports(100_000)


def test_each_worker_knows_all_addresses_and_its_place(tmp_path: Path) -> None:
    workers = local_workers(["program", "job"], 3, tmp_path / "logs")
    clusters = [find_cluster(worker.environment) for worker in workers]
    assert [cluster.index for cluster in clusters if cluster] == [0, 1, 2]
    assert len({cluster.addresses for cluster in clusters if cluster}) == 1
    assert [worker.name for worker in workers] == ["worker 0", "worker 1", "worker 2"]
    assert {worker.command for worker in workers} == {("program", "job")}


def test_each_start_takes_other_ports(tmp_path: Path) -> None:
    first, second = (local_workers(["program"], 4, tmp_path) for _ in range(2))
    assert first[0].environment["TF_CONFIG"] != second[0].environment["TF_CONFIG"]


def test_each_worker_has_a_log_of_its_own_in_a_folder_that_is_made(tmp_path: Path) -> None:
    workers = local_workers(["program"], 2, tmp_path / "a" / "logs")
    assert [worker.log.name for worker in workers] == ["worker-0.log", "worker-1.log"]
    assert all(worker.log.parent.is_dir() for worker in workers)


def test_local_workers_share_the_cores_unless_the_user_says_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cores = len(os.sched_getaffinity(0))
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    (worker, *_) = local_workers(["program"], cores + 1, tmp_path)
    assert worker.environment["TF_NUM_INTRAOP_THREADS"] == "1"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "5")
    (worker, *_) = local_workers(["program"], 2, tmp_path)
    assert worker.environment["TF_NUM_INTRAOP_THREADS"] == "5"


def test_the_one_worker_of_a_larger_cluster_keeps_its_addresses_and_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    cluster = WorkerCluster(("a:1", "b:2", "c:3"), 2)
    worker = own_worker(["program"], cluster, tmp_path)
    assert find_cluster(worker.environment) == cluster
    assert (worker.name, worker.log.name) == ("worker 2", "worker-2.log")
    assert "TF_NUM_INTRAOP_THREADS" not in worker.environment


def test_what_a_worker_needs_of_this_project_is_found_first(tmp_path: Path) -> None:
    (worker, _) = local_workers(["program"], 2, tmp_path)
    root = str(Path(__file__).resolve().parents[3])
    assert worker.environment["PYTHONPATH"].split(os.pathsep)[0] == root
