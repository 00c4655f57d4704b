"""The classifier as a whole."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from tests.rnn_core.samples import Data, make_estimator

pytestmark = pytest.mark.slow


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
        optimizer=keras.optimizers.Adam(0.05),
        config={"save_checkpoints_steps": 200, "save_summary_steps": 100},
    )
    estimator.train(data.train_input, max_steps=200)
    assert estimator.evaluate(data.eval_input)["accuracy"] > 0.9
