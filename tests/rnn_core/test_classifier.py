"""The estimator as a whole, and what it reads from its newest checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

import rnn_core
from tests.rnn_core.samples import Data, make_estimator


def test_variables_of_the_newest_checkpoint_are_read_by_name(
    trained: rnn_core.RNNClassifier,
) -> None:
    names = trained.get_variable_names()
    assert "training/Adagrad/rnn_model/rnn/gru_cell/kernel/accumulator" in names
    assert "dense_features/category_indicator" not in names
    assert trained.get_variable_value("global_step") == 10
    both = trained.get_variable_value(["global_step", "rnn_model/logits/bias"])
    assert both["rnn_model/logits/bias"].shape == (3,)
    with pytest.raises(rnn_core.CheckpointError, match="'nothing'"):
        trained.get_variable_value("nothing")


def test_without_a_checkpoint_there_is_nothing_to_read(tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path)
    assert estimator.latest_checkpoint() is None
    with pytest.raises(rnn_core.CheckpointError, match="train first"):
        estimator.get_variable_names()


def test_two_classes_are_trained_and_measured(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(tmp_path, n_classes=2, units=[3, 2], cell_type="lstm")
    labels = data.labels % 2
    estimator.train(lambda: data.dataset(labels).batch(8).repeat(), steps=2)
    found = estimator.evaluate(lambda: data.dataset(labels).batch(8))
    assert {"auc", "auc_precision_recall", "label/mean", "precision", "recall"} < set(found)
    row = next(estimator.predict(lambda: data.dataset(labels).batch(8)))
    assert row["logistic"].shape == (1,)
    assert row["probabilities"].shape == (2,)


def test_a_small_model_learns(data: Data, tmp_path: Path) -> None:
    estimator = make_estimator(
        tmp_path,
        units=[16],
        optimizer=tf.keras.optimizers.Adam(0.05),
        config={"save_checkpoints_steps": 200, "save_summary_steps": 100},
    )
    estimator.train(data.train_input, max_steps=200)
    assert estimator.evaluate(data.eval_input)["accuracy"] > 0.9
