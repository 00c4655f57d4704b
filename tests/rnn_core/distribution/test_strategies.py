"""Which strategies are trained with."""

from __future__ import annotations

import json

import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError, UnsupportedError, WorkerLostError
from rnn_core.config.strategy_kinds import check_strategy, is_in_step, is_parameter_server
from tests.rnn_core.distribution import clusters


def test_kinds_of_strategies_are_told_apart() -> None:
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    assert is_in_step(mirrored)
    assert not is_parameter_server(mirrored)
    assert check_strategy(mirrored, "x") is mirrored
    assert check_strategy(None, "x") is None


def test_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="train_distribute: expected None"):
        check_strategy(tf.distribute.OneDeviceStrategy("CPU:0"), "train_distribute")


def test_without_a_cluster_there_is_nothing_to_distribute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert rnn_core.multi_worker_strategy() is None
    place = {"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "evaluator", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    assert rnn_core.multi_worker_strategy() is None


def test_the_wait_for_other_workers_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"cluster": clusters.addresses({"worker": 2}), "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    with pytest.raises(WorkerLostError, match="worker-0"):
        rnn_core.multi_worker_strategy(0.2)


def test_a_wrong_cluster_is_refused_first(monkeypatch: pytest.MonkeyPatch) -> None:
    place = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(place))
    with pytest.raises(ArgumentError, match="index from 0 to 0"):
        rnn_core.multi_worker_strategy()
