"""A model and the compiled loop over its steps."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from rnn_core import RNNClassifier, UnsupportedError
from rnn_core.distribution.replicas import OneReplica
from rnn_core.loops.trainable_model import TrainableModel
from rnn_core.storage import checkpoints
from tests.rnn_core.models.own_cells.samples import HiddenLayer
from tests.rnn_core.samples import Data, make_estimator


def _model(directory: Path) -> TrainableModel:
    return TrainableModel(make_estimator(directory).new_model("train"))


def _run(model: TrainableModel, dataset: tf.data.Dataset, count: int) -> int:
    position = model.open_input(lambda place: dataset)
    done, loss = model.run(position.iterator, tf.constant(count))
    assert loss > 0 or not done
    return int(done)


@pytest.mark.slow
def test_steps_are_counted_and_end_with_the_input(data: Data, tmp_path: Path) -> None:
    model = _model(tmp_path)
    assert _run(model, data.train_input(), 3) == 3
    assert _run(model, data.dataset().batch(8), 100) == 3
    assert int(model.global_step.numpy()) == 6
    assert _run(model, data.dataset().batch(8).take(0), 5) == 0


@pytest.mark.slow
def test_a_checkpoint_holds_all_of_it(data: Data, tmp_path: Path) -> None:
    model = _model(tmp_path)
    _run(model, data.train_input(), 2)
    prefix = str(tmp_path / "model.ckpt-2")
    checkpoints.write(model.variables, prefix)
    other = _model(tmp_path)
    other.restore(prefix)
    assert int(other.global_step.numpy()) == 2
    for name, variable in model.variables.items():
        tf.debugging.assert_equal(variable, other.variables[name])


def test_one_worker_keeps_its_own_initial_values(tmp_path: Path) -> None:
    model = _model(tmp_path)
    before = {name: value.numpy() for name, value in model.variables.items()}
    model.broadcast_from_chief()
    for name, value in model.variables.items():
        tf.debugging.assert_equal(value, before[name])


class _TwoReplicas(OneReplica):
    local_count = 2


def test_a_cell_that_writes_variables_is_trained_on_one_replica(tmp_path: Path) -> None:
    column = tf.feature_column.sequence_numeric_column("x")
    model = RNNClassifier([column], rnn_cell_fn=HiddenLayer, model_dir=tmp_path).new_model("train")
    TrainableModel(model, OneReplica())
    with pytest.raises(UnsupportedError, match=r"\(rnn_model/rnn/hidden_layer/calls\)"):
        TrainableModel(model, _TwoReplicas())
