"""The predictor that an export is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from tests.rnn_core.samples import WIDTH, Data, make_estimator


class Served(tf.Module):
    """What a stage of the pipeline wraps around a predictor."""

    def __init__(self, predictor: rnn_core.Predictor) -> None:
        super().__init__()
        self.predictor = predictor

    @tf.function(
        input_signature=[
            {
                "numbers": tf.RaggedTensorSpec([None, None, WIDTH], tf.float32, ragged_rank=1),
                "tokens": tf.RaggedTensorSpec([None, None], tf.int64),
                "context": tf.TensorSpec([None, 2]),
                "category": tf.TensorSpec([None, 1], tf.int64),
            }
        ],
        autograph=False,
    )
    def serve(self, features: Any) -> Any:
        return self.predictor(features)


@pytest.mark.slow
def test_a_saved_predictor_answers_as_predict_does(
    trained: rnn_core.RNNClassifier, data: Data, tmp_path: Path
) -> None:
    served = Served(rnn_core.load_predictor(trained))
    tf.saved_model.save(served, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    answers = loaded.serve(data.features())
    expected = list(trained.predict(data.eval_input))
    for name, value in answers.items():
        rows = np.array([row[name] for row in expected])
        if value.dtype == tf.string:
            assert np.array_equal(value.numpy(), rows)
        else:
            np.testing.assert_allclose(value.numpy(), rows, rtol=1e-5, atol=1e-6)


def test_a_predictor_holds_the_weights_of_its_checkpoint(
    trained: rnn_core.RNNClassifier, data: Data
) -> None:
    older = str(Path(trained.model_dir) / "model.ckpt-4")
    newest, old = rnn_core.load_predictor(trained), rnn_core.load_predictor(trained, older)
    assert len(newest.variables) == 6
    one, other = (module(data.features())["logits"].numpy() for module in (newest, old))
    assert not np.array_equal(one, other)


@pytest.mark.slow
def test_a_vocabulary_of_a_column_is_saved_with_the_predictor(tmp_path: Path) -> None:
    words = tf.feature_column.sequence_categorical_column_with_vocabulary_list("w", ["a", "b"])
    columns = [tf.feature_column.indicator_column(words)]
    estimator = make_estimator(
        tmp_path / "model", sequence_feature_columns=columns, context_feature_columns=None
    )
    features = {"w": tf.ragged.constant([["a"], ["b", "a"], ["b"]])}
    dataset = tf.data.Dataset.from_tensor_slices((features, [0, 1, 2])).batch(3).repeat()
    estimator.train(lambda: dataset, steps=1)
    module = tf.Module()
    module.predictor = rnn_core.load_predictor(estimator)
    module.serve = tf.function(
        lambda w: module.predictor({"w": w})["logits"],
        input_signature=[tf.RaggedTensorSpec([None, None], tf.string)],
        autograph=False,
    )
    expected = module.serve(features["w"])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(features["w"]), expected, rtol=1e-6)


def test_without_a_checkpoint_there_is_no_predictor(tmp_path: Path) -> None:
    with pytest.raises(rnn_core.CheckpointError, match="train first"):
        rnn_core.load_predictor(make_estimator(tmp_path))
