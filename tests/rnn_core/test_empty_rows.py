"""Rows without steps and batches without rows: measured and predicted, but not trained on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import FeatureError, RNNClassifier, RunConfig

pytestmark = pytest.mark.slow

NUMBERS = tf.ragged.constant([[1.0, 2.0], [], [3.0]])
SPELLINGS = {
    "ragged": {"numbers": NUMBERS},
    "sparse": {"numbers": NUMBERS.to_sparse()},
    "dense": {
        "numbers": NUMBERS.to_tensor(),
        "sequence_mask": tf.sequence_mask(NUMBERS.row_lengths()),
    },
}


def batch(features: Any, rows: int = 3) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensors((features, tf.constant([0, 1, 0])[:rows]))


@pytest.fixture
def estimator(tmp_path: Path) -> RNNClassifier:
    column = tf.feature_column.sequence_numeric_column("numbers")
    config = RunConfig(tf_random_seed=1)
    return RNNClassifier([column], units=[3], cell_type="lstm", model_dir=tmp_path, config=config)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_row_without_steps_has_the_logits_of_the_bias_and_stops_a_training(
    estimator: RNNClassifier, spelling: str
) -> None:
    features = SPELLINGS[spelling]
    logits = [row["logits"][0] for row in estimator.predict(lambda: batch(features))]
    assert logits[1] == 0
    expected = [row["logits"][0] for row in estimator.predict(lambda: batch({"numbers": NUMBERS}))]
    assert np.allclose(logits, expected, atol=1e-7)
    losses = np.log1p(np.exp(np.array(logits) * [1, -1, 1]))
    metrics = estimator.evaluate(lambda: batch(features))
    assert metrics["average_loss"] == pytest.approx(losses.mean(), rel=1e-5)
    with pytest.raises(FeatureError, match=r"a step in each; .* a step: \[3 1\]"):
        estimator.train(lambda: batch(features), steps=1)
    assert estimator.get_variable_value("global_step") == 0


def test_a_batch_without_rows_has_no_predictions_and_stops_a_training(
    estimator: RNNClassifier,
) -> None:
    nothing = {"numbers": NUMBERS[:0]}
    assert list(estimator.predict(lambda: batch(nothing, 0))) == []
    some = batch({"numbers": NUMBERS})
    alone = estimator.evaluate(lambda: some)["average_loss"]
    metrics = estimator.evaluate(lambda: batch(nothing, 0).concatenate(some))
    assert metrics["average_loss"] == pytest.approx(alone)
    with pytest.raises(FeatureError, match=r"at least one row in a batch.*: \[0\]"):
        estimator.train(lambda: batch(nothing, 0), steps=1)
