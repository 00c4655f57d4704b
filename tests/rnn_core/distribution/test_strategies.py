"""Which strategies are trained with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError, UnsupportedError, WorkerLostError
from rnn_core.config.strategy_kinds import check_strategy, is_in_step, is_parameter_server
from tests.programs import LOAD_TENSORFLOW
from tests.rnn_core.distribution import clusters
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of


def test_kinds_of_strategies_are_told_apart() -> None:
    mirrored = tf.distribute.MirroredStrategy(["CPU:0"])
    assert is_in_step(mirrored)
    assert not is_parameter_server(mirrored)
    assert check_strategy(mirrored, "x") is mirrored
    assert check_strategy(None, "x") is None


def test_another_kind_is_refused() -> None:
    with pytest.raises(UnsupportedError, match="train_distribute: expected None"):
        check_strategy(tf.distribute.experimental.CentralStorageStrategy(), "train_distribute")


def test_the_strategy_of_one_device_and_the_default_one_are_like_none(
    tmp_path: Path, data: Data
) -> None:
    found = []
    for index, strategy in enumerate(
        (None, tf.distribute.OneDeviceStrategy("CPU:0"), tf.distribute.get_strategy())
    ):
        config = {"train_distribute": strategy, "eval_distribute": strategy}
        estimator = make_estimator(tmp_path / str(index), config=config)
        estimator.train(data.train_input, steps=3)
        assert estimator.config.train_distribute is strategy
        found.append((weights_of(estimator), estimator.evaluate(data.eval_input)))
    for weights, metrics in found[1:]:
        assert same_bits(weights, found[0][0])
        assert metrics == found[0][1]


def test_the_strategy_of_one_device_has_its_device() -> None:
    code = """
import tensorflow as tf
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from rnn_core.distribution.strategies import device_of
for index in range(2):
    with device_of(tf.distribute.OneDeviceStrategy(f"CPU:{index}")):
        assert tf.Variable(1).device.endswith(f"CPU:{index}")
with device_of(None):
    assert tf.Variable(1).device.endswith("CPU:0")
"""
    command = [sys.executable, "-c", LOAD_TENSORFLOW + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


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
