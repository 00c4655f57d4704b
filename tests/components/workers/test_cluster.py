"""Which cluster a process belongs to, by what its environment says."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import ClusterError, UserError
from components.workers.cluster import WorkerCluster, find_cluster

TWO = ("a:1", "b:2")
KUBERNETES = {
    "RNNFLOW_SERVICE": "trainers",
    "RNNFLOW_WORKERS": "3",
    "JOB_COMPLETION_INDEX": "2",
    "HOSTNAME": "night-run-2",
}
SLURM = {
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_STEP_NODELIST": "node[08-09]",
    "SLURM_STEP_TASKS_PER_NODE": "2,1",
    "SLURM_JOB_ID": "200505",
    "SLURM_PROCID": "1",
    "SLURM_NODEID": "0",
    "SLURM_LOCALID": "1",
}


def _tf_config(cluster: Any, role: str = "worker", index: Any = 0) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})}


def _found(environment: dict[str, str]) -> WorkerCluster:
    cluster = find_cluster(environment)
    assert cluster is not None
    return cluster


def test_a_process_without_any_word_of_a_cluster_trains_alone() -> None:
    assert find_cluster({"PATH": "/bin", "HOSTNAME": "here"}) is None


@pytest.mark.parametrize(
    "environment",
    [
        {"TF_CONFIG": ""},
        {"TF_CONFIG": "{}"},
        {"TF_CONFIG": '{"task": {"type": "worker", "index": 0}}'},
        _tf_config({"worker": ["a:1"]}),
        _tf_config({"chief": ["a:1"]}, role="chief"),
        # Pods of an Indexed Job, or a batch script of Slurm's, that do something else.
        {"JOB_COMPLETION_INDEX": "4", "HOSTNAME": "many-4"},
        {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_NODELIST": "n[1-4]"},
    ],
)
def test_a_cluster_of_one_is_none(environment: dict[str, str]) -> None:
    assert find_cluster(environment) is None


def test_workers_are_known_by_their_index() -> None:
    cluster = _found(_tf_config({"worker": TWO}, index=1))
    assert cluster == WorkerCluster(TWO, 1)
    assert (cluster.size, cluster.is_chief) == (2, False)
    assert WorkerCluster(TWO, 0).is_chief


def test_a_chief_comes_before_the_workers() -> None:
    roles = {"chief": ["c:9"], "worker": TWO}
    assert _found(_tf_config(roles, "chief")) == WorkerCluster(("c:9", *TWO), 0)
    assert _found(_tf_config(roles, "worker", 1)) == WorkerCluster(("c:9", *TWO), 2)


@given(st.integers(2, 6), st.data())
def test_the_config_for_tensorflow_reads_back_as_the_same_cluster(
    size: int, data: st.DataObject
) -> None:
    addresses = tuple(f"host-{number}.svc:{2000 + number}" for number in range(size))
    cluster = WorkerCluster(addresses, data.draw(st.integers(0, size - 1)))
    assert find_cluster({"TF_CONFIG": cluster.tf_config}) == cluster


def test_the_members_of_a_cluster_share_a_key_that_no_other_has() -> None:
    assert WorkerCluster(TWO, 0).key == WorkerCluster(TWO, 1).key
    assert WorkerCluster(TWO, 0).key != WorkerCluster(("a:1", "b:3"), 0).key


def test_a_pod_of_an_indexed_job_knows_the_others_by_the_headless_service() -> None:
    hosts = tuple(f"night-run-{index}.trainers:2222" for index in range(3))
    assert _found(KUBERNETES) == WorkerCluster(hosts, 2)
    assert _found({**KUBERNETES, "RNNFLOW_PORT": "9000"}).addresses[0].endswith(":9000")


def test_tasks_of_a_slurm_step_are_counted_node_by_node() -> None:
    # 20000 + 200505 % 10000: jobs that share a node take different ports.
    assert _found(SLURM) == WorkerCluster(("node08:20505", "node08:20506", "node09:20505"), 1)
    last = {"SLURM_PROCID": "2", "SLURM_NODEID": "1", "SLURM_LOCALID": "0"}
    assert _found({**SLURM, **last, "RNNFLOW_PORT": "7000"}).addresses[2] == "node09:7000"


def test_tf_config_is_believed_first() -> None:
    assert _found({**KUBERNETES, **SLURM, **_tf_config({"worker": TWO})}) == WorkerCluster(TWO, 0)


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"TF_CONFIG": "{"}, "expected JSON"),
        ({"TF_CONFIG": "[1]"}, "expected an object"),
        ({"TF_CONFIG": '{"cluster": ["a:1"]}'}, "expected an object"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1", "b:1"]}, "task": 3}'}, "expected an object"),
        (_tf_config({"worker": "a:1"}), "expected a list of addresses"),
        (_tf_config({"worker": [1, 2]}), "expected a list of addresses"),
        (_tf_config({"chief": TWO}, "chief"), "expected one chief, got a:1, b:2"),
        (_tf_config({"worker": TWO, "ps": ["p:1"]}), "got 'ps' as well"),
        (_tf_config({"worker": TWO}, "evaluator"), r"worker 0 to 1.*evaluator"),
        (_tf_config({"worker": TWO}, index=2), "worker 0 to 1"),
        (_tf_config({"worker": TWO}, index=-1), "worker 0 to 1"),
        (_tf_config({"worker": TWO}, index="0"), "worker 0 to 1"),
        (_tf_config({"worker": TWO}, index=True), "worker 0 to 1"),
        (_tf_config({"worker": []}), "got"),
        ({"TF_CONFIG": json.dumps({"cluster": {"worker": TWO}})}, r"worker 0 to 1.*\{\}"),
        (_tf_config({"worker": ["a:1", "a:1"]}), "an address of its own"),
        (_tf_config({"worker": ["a:1", "b"]}), "HOST:PORT for each worker, got 'b'"),
        (_tf_config({"worker": ["a:1", "b:70000"]}), "HOST:PORT"),
        (_tf_config({"worker": ["a:1", "http://b:80"]}), "HOST:PORT"),
        ({**KUBERNETES, "HOSTNAME": "elsewhere"}, "HOSTNAME"),
        ({**KUBERNETES, "HOSTNAME": "night-run-1"}, "JOB-2"),
        ({**KUBERNETES, "JOB_COMPLETION_INDEX": "3", "HOSTNAME": "night-run-3"}, "0 to 2"),
        ({**KUBERNETES, "RNNFLOW_WORKERS": "three"}, "number in RNNFLOW_WORKERS, got 'three'"),
        ({**KUBERNETES, "RNNFLOW_PORT": "0"}, "HOST:PORT"),
        ({"RNNFLOW_SERVICE": "trainers", "HOSTNAME": "x-0"}, "JOB_COMPLETION_INDEX"),
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "3"}, "2 nodes and 3 tasks"),
        ({**SLURM, "SLURM_STEP_NUM_TASKS": "4"}, "2 nodes and 4 tasks"),
        ({**SLURM, "SLURM_STEP_NODELIST": "node["}, "list of nodes"),
        ({**SLURM, "SLURM_NODEID": "1", "SLURM_LOCALID": "0"}, "--distribution=block"),
        ({**SLURM, "SLURM_PROCID": "3"}, "0 to 2"),
        ({key: SLURM[key] for key in SLURM if key != "SLURM_PROCID"}, "SLURM_PROCID"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_the_users_mistake_and_named(
    environment: dict[str, str], reason: str
) -> None:
    with pytest.raises(ClusterError, match=reason) as caught:
        find_cluster(environment)
    assert isinstance(caught.value, UserError)


def test_addresses_of_the_newer_internet_protocol_are_addresses() -> None:
    assert WorkerCluster(("[::1]:2222", "[fe80::1]:2222"), 1).size == 2
    with pytest.raises(ClusterError):
        WorkerCluster(("::1:2222", "b:1"), 0)
