"""The cluster and the task of this process, as ``TF_CONFIG`` describes them.

The rules and the errors are those of ``tf.estimator.RunConfig`` on TensorFlow 2.15: a cluster has
one ``chief``; with a strategy that keeps workers in step it may have ``worker`` tasks only, and the
first one is the chief.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any, Final

import tensorflow as tf

from rnn_core.errors import ArgumentError, ArgumentTypeError

CHIEF: Final = "chief"
MASTER: Final = "master"
WORKER: Final = "worker"
PS: Final = "ps"
EVALUATOR: Final = "evaluator"
"""Types of tasks; ``master`` is the old name of a chief that also evaluates."""


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The tasks of a cluster, and which of them this process is."""

    spec: Any
    """A ``tf.train.ClusterSpec``; empty for one process, and for an evaluator."""
    task_type: str
    task_id: int
    is_chief: bool
    master: str = ""
    evaluation_master: str = ""
    num_ps_replicas: int = 0
    num_worker_replicas: int = 1
    """Workers in all, the chief included."""
    global_id_in_cluster: int | None = 0
    """The chief is 0, parameter servers come last; None for an evaluator."""
    model_dir: str | None = None


def read_cluster(in_step: bool) -> Cluster:
    """The cluster that ``TF_CONFIG`` describes; one local process if it is not set.

    Args:
        in_step: whether a strategy keeps the workers in step, so that no ``chief`` is needed.

    Raises:
        ArgumentError: ``TF_CONFIG`` is not consistent.
        ArgumentTypeError: a part of it has another type.
    """
    config = _environment()
    spec = _spec(config.get("cluster", {}))
    task = _mapping(config.get("task", {}), "task")
    _mapping(config.get("service") or {}, "service")
    if not spec.jobs:
        return _local(task, config)
    chief = _chief(spec, task, in_step)
    task_type, task_id = _task(spec, task)
    evaluation_master = str(config.get("eval_session_master", ""))
    model_dir = config.get("model_dir")
    if task_type == EVALUATOR:
        # As in 2.15: it connects to nobody, whatever the cluster is.
        none = tf.train.ClusterSpec({})
        return Cluster(
            none, task_type, task_id, False, "", evaluation_master, 0, 0, None, model_dir
        )
    return Cluster(
        spec,
        task_type,
        task_id,
        is_chief=task_type == chief and task_id == 0,
        master=str(config.get("session_master", _address(spec, task_type, task_id))),
        num_ps_replicas=_count(spec, PS),
        num_worker_replicas=_count(spec, WORKER) + _count(spec, MASTER) + _count(spec, CHIEF),
        global_id_in_cluster=_global_id(spec, chief, task_type, task_id),
        model_dir=model_dir,
    )


def workers(spec: Any) -> list[str]:
    """The tasks of a cluster that train, such as ``chief-0`` and ``worker-1``."""
    jobs = [job for job in (CHIEF, MASTER, WORKER) if job in spec.jobs]
    return [f"{job}-{index}" for job in jobs for index in spec.task_indices(job)]


def _environment() -> dict[str, Any]:
    # Empty is as good as unset: schedulers cannot always remove a variable.
    text = os.environ.get("TF_CONFIG") or "{}"
    try:
        return _mapping(json.loads(text), "TF_CONFIG")
    except json.JSONDecodeError as error:
        raise ArgumentError(f"TF_CONFIG: expected JSON, got {text[:200]!r} ({error}).") from None


def _mapping(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ArgumentTypeError(f"TF_CONFIG: expected {name} to be an object, got {value!r}.")
    return dict(value)


def _spec(cluster: Any) -> Any:
    try:
        return tf.train.ClusterSpec(cluster)
    except (TypeError, ValueError) as error:
        raise ArgumentError(
            f'TF_CONFIG: expected "cluster" to map types of tasks to lists of addresses '
            f"host:port, got {cluster!r} ({error})."
        ) from None


def _local(task: Mapping[str, Any], config: Mapping[str, Any]) -> Cluster:
    if task.get("type", WORKER) != WORKER or int(task.get("index", 0)) != 0:
        raise ArgumentError(
            'TF_CONFIG: without "cluster" the task must be of type worker with index 0, got '
            f"{dict(task)}. Name the cluster, or leave TF_CONFIG out."
        )
    return Cluster(
        tf.train.ClusterSpec({}),
        WORKER,
        0,
        is_chief=True,
        master=str(config.get("session_master", "")),
        evaluation_master=str(config.get("eval_session_master", "")),
        model_dir=config.get("model_dir"),
    )


def _chief(spec: Any, task: Mapping[str, Any], in_step: bool) -> str:
    """The type of the task that is the chief, of which there is exactly one."""
    if MASTER in spec.jobs and (CHIEF in spec.jobs or task.get("type") == EVALUATOR):
        raise ArgumentError(
            f'TF_CONFIG: a cluster with a "master" has neither "chief" nor "evaluator", got '
            f"{spec.as_dict()}. Call the master chief."
        )
    chief = MASTER if MASTER in spec.jobs else CHIEF
    count = _count(spec, chief)
    if count > 1:
        raise ArgumentError(
            f'TF_CONFIG: expected one "{chief}" in the cluster, got {count}: '
            f"{spec.job_tasks(chief)}. Make the others workers."
        )
    # Of workers alone the first is the chief, also as their evaluator sees it: that has no strategy
    # that could say so.
    workers_alone = _count(spec, WORKER) > 0 and not _count(spec, PS)
    if not count and workers_alone and (in_step or task.get("type") == EVALUATOR):
        return WORKER
    if not count:
        raise ArgumentError(
            f'TF_CONFIG: expected one "chief" in the cluster, got {spec.as_dict()}. Only a '
            "strategy that keeps workers in step, as tf.distribute.MultiWorkerMirroredStrategy, "
            "does without."
        )
    return chief


def _task(spec: Any, task: Mapping[str, Any]) -> tuple[str, int]:
    """Type and index of this task, checked against the cluster."""
    if not task.get("type") or task.get("index") is None:
        raise ArgumentError(
            f'TF_CONFIG: with "cluster" the task needs a type and an index, got {dict(task)}.'
        )
    task_type = str(task["type"])
    try:
        task_id = int(task["index"])
    except (TypeError, ValueError):
        raise ArgumentError(
            f"TF_CONFIG: expected a whole number as task index, got {task['index']!r}."
        ) from None
    # Any index will do: an evaluator is not listed in the cluster, as in 2.15.
    if task_type == EVALUATOR and task_id >= 0:
        return task_type, task_id
    if task_type not in spec.jobs:
        raise ArgumentError(
            f"TF_CONFIG: expected a task type of the cluster ({', '.join(spec.jobs)}) or "
            f"evaluator, got {task_type!r}."
        )
    known = list(spec.task_indices(task_type))
    if task_id not in known:
        dense = known == list(range(len(known)))
        indices = f"from 0 to {known[-1]}" if dense else f"of {', '.join(map(str, known))}"
        raise ArgumentError(
            f"TF_CONFIG: expected a task index {indices} for {task_type}, got {task_id}; the "
            f"cluster has {spec.job_tasks(task_type)}."
        )
    return task_type, task_id


def _count(spec: Any, job: str) -> int:
    return int(spec.num_tasks(job)) if job in spec.jobs else 0


def _address(spec: Any, task_type: str, task_id: int) -> str:
    """The gRPC address of this task; a cluster of one task needs no server."""
    alone = sum(spec.num_tasks(job) for job in spec.jobs) == 1
    return "" if alone else f"grpc://{spec.task_address(task_type, task_id)}"


def _global_id(spec: Any, chief: str, task_type: str, task_id: int) -> int:
    """The index among all tasks: the chief, the other jobs by name, parameter servers last."""
    between = sorted(job for job in spec.jobs if job not in (chief, PS))
    before = 0
    for job in [chief, *between, PS]:
        if job == task_type:
            break
        # With the gaps of a cluster that names some of its tasks by index only.
        before += len(spec.job_tasks(job)) if job in spec.jobs else 0
    return before + task_id
