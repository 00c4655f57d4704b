"""Metrics of the user beside those of an estimator."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import rnn_core
from rnn_core import ArgumentTypeError, add_metrics
from tests.rnn_core.samples import WORDS, Data, make_estimator

pytestmark = pytest.mark.slow


def shares(labels: Any, predictions: Any, features: Any, config: Any) -> dict[str, Any]:
    """The share of right classes, and the mean of a feature."""
    assert config.tf_random_seed == 7
    words = tf.gather(tf.constant(WORDS), predictions["class_ids"][:, 0])
    right = keras.metrics.Mean(name="right")
    right.update_state(tf.cast(tf.equal(words, labels), tf.float32))
    context = keras.metrics.Mean(name="context")
    context.update_state(features["context"])
    return {"right": right, "context": context}


def test_metrics_are_added_over_all_batches(
    trained: rnn_core.RNNClassifier, words_input: Any, data: Data
) -> None:
    measured = add_metrics(trained, shares)
    found, plain = measured.evaluate(words_input), trained.evaluate(words_input)
    assert found["right"] == pytest.approx(plain["accuracy"], rel=1e-6)
    assert found["context"] == pytest.approx(np.mean(data.features()["context"]), rel=1e-5)
    assert {name: found[name] for name in plain} == pytest.approx(plain, rel=1e-6)
    assert measured.evaluate(words_input) == found
    assert measured.model_dir == trained.model_dir


def test_the_new_estimator_trains_and_predicts_as_the_other(tmp_path: Path, data: Data) -> None:
    def best(predictions: Any, share: float) -> dict[str, Any]:
        metric = keras.metrics.Mean(name="best")
        metric.update_state(share * tf.reduce_max(predictions["probabilities"], -1))
        return {"best": metric, "accuracy": metric}

    plain = make_estimator(tmp_path / "plain")
    measured = add_metrics(make_estimator(tmp_path / "new"), functools.partial(best, share=2.0))
    for estimator in (plain, measured):
        estimator.train(data.train_input, steps=3)
    predictions = [
        [row["probabilities"] for row in estimator.predict(data.eval_input)]
        for estimator in (plain, measured)
    ]
    assert np.array_equal(predictions[0], predictions[1])
    found = measured.evaluate(data.eval_input)
    assert found["best"] == pytest.approx(2 * np.max(predictions[1], 1).mean(), rel=1e-5)
    assert found["accuracy"] == found["best"]
    both = add_metrics(measured, lambda labels: {"one": mean_of(tf.ones_like(labels))})
    assert both.evaluate(data.eval_input) == {**found, "one": 1.0}


def mean_of(values: Any) -> keras.metrics.Mean:
    metric = keras.metrics.Mean(name="mean")
    metric.update_state(values)
    return metric


@pytest.mark.parametrize(
    ("estimator", "metric_fn", "message"),
    [
        (None, lambda labels, logits: {}, "metric_fn: .* needs logits"),
        (None, lambda labels, logits=0: {}, "also takes logits"),
        (None, 3, "metric_fn: expected a function"),
        (3, lambda labels: {}, "estimator: expected an Estimator"),
    ],
)
def test_what_cannot_be_called_is_refused(
    trained: rnn_core.RNNClassifier, estimator: Any, metric_fn: Any, message: str
) -> None:
    with pytest.raises(ArgumentTypeError, match=message):
        add_metrics(trained if estimator is None else estimator, metric_fn)
