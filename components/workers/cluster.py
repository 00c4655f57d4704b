"""The workers that train together: who they are, and which one this process is.

Read from ``TF_CONFIG`` or, without it, from the variables of a Kubernetes Indexed Job or a Slurm
step. The process that trains reads its ``TF_CONFIG`` with ``rnn_core``; this module decides, before
TensorFlow is imported, whether a process leads a run or joins one:

    TF_CONFIG      a "cluster" with "worker" and perhaps one "chief", and a "task"
    Kubernetes     JOB_COMPLETION_INDEX and HOSTNAME, which every pod of such a Job has;
                   RNNFLOW_SERVICE (the headless service), RNNFLOW_WORKERS, RNNFLOW_PORT (2222)
    Slurm          SLURM_PROCID, SLURM_STEP_NUM_TASKS, SLURM_STEP_NODELIST and
                   SLURM_STEP_TASKS_PER_NODE, which srun sets; RNNFLOW_PORT
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from components.errors import ClusterError
from components.workers.slurm import expand_nodes, expand_tasks

TF_CONFIG = "TF_CONFIG"

_ADDRESS = re.compile(r"[^\s:/]+:(\d{1,5})|\[[0-9A-Fa-f:.]+\]:(\d{1,5})")
_GREATEST_PORT = 65_535
_DEFAULT_PORT = 2222
_SLURM_FIRST_PORT = 20_000
_SLURM_PORTS = 10_000


@dataclass(frozen=True)
class WorkerCluster:
    """Equal workers by index, ``host:port`` each, and the index of this one. Worker 0 is the chief.

    Not a TensorFlow cluster of jobs and tasks, which ``rnn_core.config.cluster`` reads from
    ``TF_CONFIG`` (with evaluators, parameter servers and the errors of ``tf.estimator``): that one
    loads TensorFlow, and other schedulers describe none.

    Raises:
        ClusterError: an address is malformed or given twice, or there is no such index.
    """

    addresses: tuple[str, ...]
    index: int

    def __post_init__(self) -> None:
        for address in self.addresses:
            found = _ADDRESS.fullmatch(address)
            if found is None or not 0 < int(found[1] or found[2]) <= _GREATEST_PORT:
                raise ClusterError(
                    f"expected an address HOST:PORT for each worker, got {address!r}."
                )
        if len({*self.addresses}) < len(self.addresses):
            raise ClusterError(
                f"expected an address of its own for each worker, got {', '.join(self.addresses)}."
            )
        if not 0 <= self.index < len(self.addresses):
            raise ClusterError(
                f"expected an index of 0 to {len(self.addresses) - 1} in a cluster of "
                f"{len(self.addresses)}, got {self.index}."
            )

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    @property
    def key(self) -> str:
        """Equal for the members of one cluster, as 16 hexadecimal digits."""
        return hashlib.sha256("\n".join(self.addresses).encode()).hexdigest()[:16]

    @property
    def tf_config(self) -> str:
        """What ``TF_CONFIG`` is for this worker."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def find_cluster(environment: Mapping[str, str]) -> WorkerCluster | None:
    """The cluster that the environment describes; None if this process trains alone.

    Raises:
        ClusterError: the environment describes an invalid cluster.
    """
    # TF_CONFIG first: a user who sets it by hand in a pod or a Slurm step means it.
    for read in (_from_tf_config, _from_kubernetes, _from_slurm):
        cluster = read(environment)
        if cluster is not None:
            # One worker shares no batch, and trains in the run's own process.
            return cluster if cluster.size > 1 else None
    return None


def _from_tf_config(environment: Mapping[str, str]) -> WorkerCluster | None:
    text = environment.get(TF_CONFIG, "").strip()
    values = _json_object(text) if text else {}
    roles = values.get("cluster") or {}
    if not roles:
        return None
    for role, addresses in roles.items():
        _check_role(role, addresses)
    task = values.get("task") or {}
    role, index = task.get("type"), task.get("index")
    if role not in roles or type(index) is not int or not 0 <= index < len(roles[role]):
        tasks = ", ".join(f"{role} 0 to {len(names) - 1}" for role, names in roles.items() if names)
        raise ClusterError(
            f"{TF_CONFIG}: expected a task that is one of the cluster's ({tasks}), "
            f"got {json.dumps(task)}."
        )
    # A chief is worker 0, and the indices of the workers follow its own.
    chiefs = roles.get("chief", [])
    before = len(chiefs) if role == "worker" else 0
    return WorkerCluster((*chiefs, *roles.get("worker", [])), before + index)


def _json_object(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise ClusterError(f"{TF_CONFIG}: expected JSON ({error}), got {text[:200]}") from None
    parts = ("cluster", "task")
    if not isinstance(values, dict) or not all(
        isinstance(values.get(part) or {}, dict) for part in parts
    ):
        raise ClusterError(
            f'{TF_CONFIG}: expected an object with the objects "cluster" and "task", '
            f"got {text[:200]}"
        )
    return values


def _check_role(role: str, addresses: Any) -> None:
    if not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
        raise ClusterError(f"{TF_CONFIG}: expected a list of addresses for {role}: {addresses!r}.")
    if role not in ("chief", "worker") and addresses:
        raise ClusterError(
            f"{TF_CONFIG}: expected the roles chief and worker, got {role!r} as well. The pipeline "
            "trains with equal workers: leave it out of the cluster, and do not start it."
        )
    if role == "chief" and len(addresses) > 1:
        raise ClusterError(f"{TF_CONFIG}: expected one chief, got {', '.join(addresses)}.")


def _from_kubernetes(environment: Mapping[str, str]) -> WorkerCluster | None:
    service = environment.get("RNNFLOW_SERVICE")
    if not service:
        return None
    index = _number(environment, "JOB_COMPLETION_INDEX")
    host = environment.get("HOSTNAME", "")
    job, _, end = host.rpartition("-")
    if not job or end != str(index):
        raise ClusterError(
            f"expected a HOSTNAME that ends with the pod's index, as JOB-{index}, got {host!r}: "
            "RNNFLOW_SERVICE is for the pods of an Indexed Job."
        )
    port = _number(environment, "RNNFLOW_PORT", _DEFAULT_PORT)
    workers = _number(environment, "RNNFLOW_WORKERS")
    return WorkerCluster(tuple(f"{job}-{each}.{service}:{port}" for each in range(workers)), index)


def _from_slurm(environment: Mapping[str, str]) -> WorkerCluster | None:
    # A batch script has SLURM_PROCID and SLURM_NTASKS too and is no worker: only srun's steps are.
    if "SLURM_STEP_NUM_TASKS" not in environment:
        return None
    job = _number(environment, "SLURM_JOB_ID", 0)
    tasks = _number(environment, "SLURM_STEP_NUM_TASKS")
    index = _number(environment, "SLURM_PROCID")
    nodes = expand_nodes(environment.get("SLURM_STEP_NODELIST", ""))
    counts = expand_tasks(environment.get("SLURM_STEP_TASKS_PER_NODE", ""))
    if len(counts) != len(nodes) or sum(counts) != tasks:
        raise ClusterError(
            f"Slurm names {len(nodes)} nodes and {tasks} tasks, but counts {sum(counts)} tasks on "
            f"{len(counts)} nodes."
        )
    # (node, number on it) of each task, as srun distributes them by default: block by block.
    positions = [(node, local) for node, count in enumerate(counts) for local in range(count)]
    own = (_number(environment, "SLURM_NODEID"), _number(environment, "SLURM_LOCALID"))
    if index < len(positions) and own != positions[index]:
        raise ClusterError(
            f"expected Slurm's task {index} on node {positions[index][0]} as number "
            f"{positions[index][1]}, but it is number {own[1]} on node {own[0]}: start the tasks "
            "with srun --distribution=block."
        )
    # The first port on a node: the tasks of one job count up, and jobs that share a node differ by
    # their numbers. Below 32768, where Linux takes the ports of outgoing connections.
    port = _number(environment, "RNNFLOW_PORT", _SLURM_FIRST_PORT + job % _SLURM_PORTS)
    return WorkerCluster(tuple(f"{nodes[node]}:{port + local}" for node, local in positions), index)


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    if not text.isdecimal():
        raise ClusterError(f"expected a whole number in {name}, got {text!r}.")
    return int(text)
