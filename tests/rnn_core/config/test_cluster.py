"""TF_CONFIG as RunConfig reads it; the rules are those of TensorFlow 2.15."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rnn_core import ArgumentError, ArgumentTypeError, RunConfig
from rnn_core.config.cluster import read_cluster, workers

CLUSTER = {"chief": ["a:1"], "worker": ["b:1", "c:1"], "ps": ["d:1", "e:1"]}
IN_STEP = {"worker": ["b:1", "c:1"]}


@pytest.fixture
def tf_config(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(cluster: Any = None, task: Any = None, **more: Any) -> None:
        config = {"cluster": cluster, "task": task, **more}
        given = {name: value for name, value in config.items() if value is not None}
        monkeypatch.setenv("TF_CONFIG", json.dumps(given))

    return put


def test_without_tf_config_a_run_is_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    config = RunConfig()
    assert not config.cluster_spec.jobs
    assert (config.task_type, config.task_id, config.is_chief) == ("worker", 0, True)
    assert (config.num_worker_replicas, config.num_ps_replicas) == (1, 0)
    assert (config.master, config.evaluation_master, config.global_id_in_cluster) == ("", "", 0)


@pytest.mark.parametrize(
    ("task_type", "index", "master", "global_id"),
    [
        ("chief", 0, "grpc://a:1", 0),
        ("worker", 0, "grpc://b:1", 1),
        ("worker", 1, "grpc://c:1", 2),
        ("ps", 1, "grpc://e:1", 4),
    ],
)
def test_each_task_knows_its_place(
    tf_config: Any, task_type: str, index: int, master: str, global_id: int
) -> None:
    tf_config(CLUSTER, {"type": task_type, "index": index})
    config = RunConfig()
    assert config.cluster_spec.as_dict() == CLUSTER
    assert (config.task_type, config.task_id) == (task_type, index)
    assert config.is_chief == (task_type == "chief")
    assert (config.master, config.global_id_in_cluster) == (master, global_id)
    assert (config.num_worker_replicas, config.num_ps_replicas) == (3, 2)


def test_an_evaluator_is_not_part_of_the_cluster(tf_config: Any) -> None:
    tf_config(CLUSTER, {"type": "evaluator", "index": 3}, eval_session_master="grpc://x:1")
    config = RunConfig()
    assert not config.cluster_spec.jobs
    assert (config.task_type, config.task_id, config.is_chief) == ("evaluator", 3, False)
    assert (config.num_worker_replicas, config.num_ps_replicas) == (0, 0)
    assert config.global_id_in_cluster is None
    assert (config.master, config.evaluation_master) == ("", "grpc://x:1")


def test_a_job_may_name_some_tasks_by_index_only(tf_config: Any) -> None:
    # As 2.15.1: two workers are counted, and ids count the gap.
    cluster = {"chief": ["a:1"], "worker": {"0": "b:1", "2": "c:1"}, "ps": {"1": "d:1"}}
    tf_config(cluster, {"type": "worker", "index": 2})
    config = RunConfig()
    assert (config.task_id, config.master) == (2, "grpc://c:1")
    assert (config.num_worker_replicas, config.num_ps_replicas) == (3, 1)
    assert config.global_id_in_cluster == 3
    assert workers(config.cluster_spec) == ["chief-0", "worker-0", "worker-2"]
    tf_config(cluster, {"type": "ps", "index": 1})
    assert RunConfig().global_id_in_cluster == 5
    tf_config(cluster, {"type": "worker", "index": 1})
    with pytest.raises(ArgumentError, match="a task index of 0, 2 for worker, got 1"):
        RunConfig()


def test_workers_in_step_need_no_chief(tf_config: Any) -> None:
    tf_config(IN_STEP, {"type": "worker", "index": 0})
    assert read_cluster(in_step=True).is_chief
    tf_config(IN_STEP, {"type": "worker", "index": "1"})
    second = read_cluster(in_step=True)
    assert (second.is_chief, second.task_id, second.global_id_in_cluster) == (False, 1, 1)
    tf_config(IN_STEP, {"type": "evaluator", "index": 0})
    assert read_cluster(in_step=False).task_type == "evaluator"


def test_an_old_master_is_a_chief(tf_config: Any) -> None:
    tf_config({"master": ["a:1"], "ps": ["b:1"]}, {"type": "master", "index": 0})
    config = RunConfig()
    assert config.is_chief
    assert config.num_worker_replicas == 1


def test_a_cluster_of_one_needs_no_server(tf_config: Any) -> None:
    tf_config({"chief": ["a:1"]}, {"type": "chief", "index": 0})
    assert RunConfig().master == ""
    tf_config({"chief": ["a:1"]}, {"type": "chief", "index": 0}, session_master="grpc://z:9")
    assert RunConfig().master == "grpc://z:9"


def test_tf_config_may_name_the_model_dir(tf_config: Any) -> None:
    tf_config(model_dir="/models/one")
    assert RunConfig().model_dir == "/models/one"
    assert RunConfig(model_dir="/models/one").model_dir == "/models/one"
    with pytest.raises(ArgumentError, match="TF_CONFIG has /models/one"):
        RunConfig(model_dir="/models/two")


@pytest.mark.parametrize(
    ("cluster", "task", "message"),
    [
        (None, {"type": "chief", "index": 0}, "must be of type worker with index 0"),
        (None, {"type": "worker", "index": 1}, "must be of type worker with index 0"),
        ({"worker": ["a:1"]}, {"type": "worker", "index": 0}, 'expected one "chief"'),
        ({"chief": ["a:1", "b:1"]}, {"type": "chief", "index": 0}, 'one "chief".*got 2'),
        (CLUSTER, {"index": 0}, "needs a type and an index"),
        (CLUSTER, {"type": "worker"}, "needs a type and an index"),
        (CLUSTER, {"type": "worker", "index": 2}, "index from 0 to 1 for worker, got 2"),
        (CLUSTER, {"type": "worker", "index": -1}, "index from 0 to 1 for worker, got -1"),
        (CLUSTER, {"type": "worker", "index": "x"}, "whole number"),
        (CLUSTER, {"type": "helper", "index": 0}, "expected a task type of the cluster"),
        ({"master": ["a:1"], "chief": ["b:1"]}, {"type": "chief", "index": 0}, "neither"),
        ({"master": ["a:1"]}, {"type": "evaluator", "index": 0}, "neither"),
        ({"chief": 3}, {"type": "chief", "index": 0}, "lists of addresses"),
    ],
)
def test_what_is_not_consistent_is_refused_and_named(
    tf_config: Any, cluster: Any, task: Any, message: str
) -> None:
    tf_config(cluster, task)
    with pytest.raises(ArgumentError, match=message):
        RunConfig()


def test_text_that_is_no_json_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{cluster")
    with pytest.raises(ArgumentError, match="TF_CONFIG: expected JSON"):
        RunConfig()
    monkeypatch.setenv("TF_CONFIG", "[]")
    with pytest.raises(ArgumentTypeError, match="an object"):
        RunConfig()
    monkeypatch.setenv("TF_CONFIG", '{"service": 3}')
    with pytest.raises(ArgumentTypeError, match="service"):
        RunConfig()


def test_the_tasks_that_train_are_named(tf_config: Any) -> None:
    tf_config(CLUSTER, {"type": "chief", "index": 0})
    assert workers(RunConfig().cluster_spec) == ["chief-0", "worker-0", "worker-1"]
