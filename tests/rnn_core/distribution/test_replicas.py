"""What replicas tell each other; ``test_equality`` shows it between processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentError, RunConfig
from rnn_core.distribution.replicas import OneReplica, ReplicasInStep, replicas_of
from rnn_core.loops.trainable_model import TrainableModel
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of


def _in_step() -> ReplicasInStep:
    return ReplicasInStep(tf.distribute.MirroredStrategy(["CPU:0"]), RunConfig())


def test_one_replica_is_its_own_total() -> None:
    one = OneReplica()
    assert one.all_reduce_sum(lambda replica: tf.constant(replica + 2.0)) == 2.0
    assert one.all_gather([1, True]).tolist() == [[1.0, 1.0]]
    with one.errors():
        pass


def test_a_strategy_of_one_device_is_one_replica_in_step() -> None:
    replicas = _in_step()
    assert (replicas.worker, replicas.worker_count, replicas.local_count) == (0, 1, 1)
    assert replicas.all_gather([3.0]).tolist() == [[3.0]]
    total = tf.function(
        lambda: replicas.all_reduce_sum(lambda replica: tf.constant([1.0, replica]))
    )()
    np.testing.assert_array_equal(total, [1.0, 0.0])


def test_without_a_strategy_there_is_one_replica() -> None:
    assert isinstance(replicas_of(RunConfig(), None), OneReplica)


def test_a_strategy_of_another_cluster_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = tf.distribute.MirroredStrategy(["CPU:0"])
    monkeypatch.setattr(type(replicas), "num_replicas_in_sync", 3)
    with pytest.raises(ArgumentError, match="has 3 workers, and TF_CONFIG 1"):
        ReplicasInStep(replicas, RunConfig())


def test_errors_of_one_worker_keep_their_kind() -> None:
    with pytest.raises(tf.errors.UnavailableError), _in_step().errors():
        raise tf.errors.UnavailableError(None, None, "x")


def test_a_training_by_sums_follows_the_plain_one(data: Data, tmp_path: Path) -> None:
    """One replica whose gradients go through the buffer, as those of many do."""
    plain = make_estimator(tmp_path / "plain").train(data.train_input, steps=9)
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    summed = make_estimator(tmp_path / "summed", config={"train_distribute": strategy})
    summed.train(data.train_input, steps=9)
    expected, found = weights_of(plain), weights_of(summed)
    assert expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, atol=1e-6, err_msg=name)


def test_a_training_by_sums_repeats_to_the_bit(data: Data, tmp_path: Path) -> None:
    made = []
    for name in ("one", "other"):
        strategy = tf.distribute.MirroredStrategy(["CPU:0"])
        one = make_estimator(tmp_path / name, config={"train_distribute": strategy})
        made.append(weights_of(one.train(data.train_input, steps=5)))
    assert same_bits(*made)


def test_a_model_function_is_for_one_replica(data: Data, tmp_path: Path) -> None:
    config = RunConfig(train_distribute=tf.distribute.MirroredStrategy(["CPU:0"]))
    one = rnn_core.Estimator(make_estimator(tmp_path).model_fn, str(tmp_path / "f"), config)
    with pytest.raises(rnn_core.UnsupportedError, match="model_fn is not trained on many"):
        one.train(data.train_input, steps=1)


def test_the_buffer_has_a_number_for_each_weight_and_touched_row(
    data: Data, tmp_path: Path
) -> None:
    model = TrainableModel(make_estimator(tmp_path).new_model("train"), _in_step())
    position = model.open_input(lambda place: data.train_input())
    model.prepare(position.iterator)
    trainable = [v for v in model.variables.values() if v.trainable]
    weights = sum(int(tf.size(v)) for v in trainable)
    rows = next(v for v in trainable if "embedding_weights" in v.name).shape[0]
    assert model.sums_size == 1 + 3 + weights + rows
