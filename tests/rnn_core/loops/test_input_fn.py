"""What an input_fn may be and return."""

from __future__ import annotations

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, FeatureError, ModeKeys, RunConfig
from rnn_core.distribution.replicas import OneReplica
from rnn_core.features.named import named_features
from rnn_core.loops.input_fn import call_input_fn, split

CONFIG = RunConfig()


def test_a_dataset_is_taken_as_it_is() -> None:
    dataset = tf.data.Dataset.range(3)
    assert call_input_fn(lambda: dataset, ModeKeys.TRAIN, {}, CONFIG, OneReplica()) is dataset


def test_an_input_fn_gets_the_arguments_that_it_names() -> None:
    seen: dict[str, object] = {}

    def input_fn(mode: str, params: dict[str, int], config: RunConfig) -> tf.data.Dataset:
        seen.update(mode=mode, params=params, config=config)
        return tf.data.Dataset.range(1)

    call_input_fn(input_fn, ModeKeys.EVAL, {"a": 1}, CONFIG, OneReplica())
    assert seen == {"mode": "eval", "params": {"a": 1}, "config": CONFIG}


def test_tensors_are_one_batch_again_and_again() -> None:
    dataset = call_input_fn(
        lambda: ({"x": tf.ones([2])}, tf.zeros([2])), "train", {}, CONFIG, OneReplica()
    )
    elements = list(dataset.take(2))
    assert [split(element)[0]["x"].numpy().tolist() for element in elements] == [[1, 1], [1, 1]]


def test_features_without_labels_are_taken() -> None:
    assert split({"x": 1}) == ({"x": 1}, None)


def test_features_that_are_no_dict_are_refused() -> None:
    with pytest.raises(FeatureError, match="features a dict"):
        named_features(tf.ones([2]))


def test_an_input_fn_gets_an_input_context_of_one_pipeline() -> None:
    seen = []

    def input_fn(input_context: tf.distribute.InputContext) -> tf.data.Dataset:
        seen.append((input_context.num_input_pipelines, input_context.input_pipeline_id))
        return tf.data.Dataset.range(1)

    call_input_fn(input_fn, ModeKeys.TRAIN, {}, CONFIG, OneReplica())
    assert seen == [(1, 0)]


def test_one_batch_to_predict_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    call_input_fn(lambda: {"x": tf.ones([2])}, ModeKeys.PREDICT, {}, CONFIG, OneReplica())
    assert "repeat without end" in caplog.text


def test_something_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(ArgumentError, match="input_fn: expected a function"):
        call_input_fn(tf.data.Dataset.range(1), "train", {}, CONFIG, OneReplica())
