"""One label for each time step."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from components.config import ConvolutionConfig, ModelConfig
from components.data.proposal import propose_model
from components.labels.per_step import LabelOfStep

KIND = LabelOfStep()
MASK = [[True, True, False], [True, True, True]]


def test_a_list_as_long_as_the_row_is_a_label_for_each_step() -> None:
    assert KIND.is_label(["a", "b"], 2)
    assert not KIND.is_label(["a", "b"], 3)
    assert not KIND.is_label("ab", 2)


def test_answers_are_those_of_the_real_steps_row_by_row() -> None:
    probabilities = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    answers = KIND.answers({"probabilities": probabilities, "sequence_mask": np.array(MASK)})
    assert answers[:, 0].tolist() == [0, 2, 6, 8, 10]


def test_behind_the_end_of_a_row_the_served_answers_are_empty() -> None:
    served = KIND.served(
        {
            "probabilities": tf.ones([2, 3, 2]),
            "classes": tf.fill([2, 3, 1], "a"),
            "class_ids": tf.ones([2, 3, 1], tf.int32),
            "logits": tf.ones([2, 3, 1]),
            "sequence_mask": tf.constant(MASK),
        }
    )
    assert served["lengths"].numpy().tolist() == [2, 3]
    assert served["classes"].numpy().tolist() == [[b"a", b"a", b""], [b"a", b"a", b"a"]]
    assert served["class_ids"].numpy().tolist() == [[1, 1, -1], [1, 1, 1]]
    assert served["class_ids"].dtype == tf.int64
    assert served["probabilities"].numpy()[0].tolist() == [[1, 1], [1, 1], [0, 0]]
    assert served["logits"].shape == (2, 3, 1)


def test_nothing_is_pooled_where_each_step_is_an_answer() -> None:
    assert not list(KIND.model_faults(KIND.proposed(propose_model())))
    pooled = dataclasses.replace(ModelConfig(), pooling="mean")
    ((path, fault),) = KIND.model_faults(pooled)
    assert path == "model.pooling"
    assert "each step has its own" in fault
    strided = (ConvolutionConfig(filters=4, kernel_steps=3, stride=2),)
    faulty = dataclasses.replace(ModelConfig(), front_end=strided, convolution_branch=strided)
    paths = [path for path, _ in KIND.model_faults(faulty)]
    assert paths == ["model.front_end", "model.convolution_branch"]


@pytest.mark.slow
@pytest.mark.parametrize("labels", [("no", "yes"), ("a", "b", "c")])
def test_what_is_trained_on_steps_answers_each_of_them(
    tmp_path: Path, labels: tuple[str, ...]
) -> None:
    """Also with two labels, for which the network has a single logit."""
    x = tf.ragged.constant([[[0.0], [1.0]], [[2.0]]], ragged_rank=1, dtype=tf.float32)
    features = {"x": x}
    truth = tf.ragged.constant([[labels[0], labels[1]], [labels[-1]]])
    estimator = KIND.estimator(
        labels,
        {"label_smoothing": 0.1, "focal_gamma": 1.0, "class_weights": dict.fromkeys(labels, 2.0)},
        {
            "sequence_feature_columns": [tf.feature_column.sequence_numeric_column("x")],
            "units": [3],
            "model_dir": str(tmp_path),
            "network": rnn_core.NetworkConfig(bidirectional=True),
        },
    )
    estimator.train(lambda: tf.data.Dataset.from_tensors((features, truth)), max_steps=1)
    served = KIND.served(rnn_core.load_predictor(estimator)(features))
    assert served["lengths"].numpy().tolist() == [2, 1]
    assert served["probabilities"].shape == (2, 2, len(labels))
    np.testing.assert_allclose(
        served["probabilities"].numpy().sum(axis=2), [[1, 1], [1, 0]], rtol=1e-5
    )
    batches = estimator.predict(
        lambda: tf.data.Dataset.from_tensors(features),
        predict_keys=list(KIND.predict_keys),
        yield_single_examples=False,
    )
    (answers,) = [KIND.answers(batch) for batch in batches]
    expected = served["probabilities"].numpy()[[0, 0, 1], [0, 1, 0]]
    np.testing.assert_allclose(answers, expected, rtol=1e-5)
    metrics = estimator.evaluate(lambda: tf.data.Dataset.from_tensors((features, truth)))
    right = answers.argmax(axis=1) == [0, 1, len(labels) - 1]
    assert metrics["accuracy"] == pytest.approx(right.mean())
