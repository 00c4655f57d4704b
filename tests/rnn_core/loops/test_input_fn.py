"""What an input_fn may be and return."""

from __future__ import annotations

import functools
from typing import Any

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


def called(input_fn: Any, mode: str = ModeKeys.TRAIN, worker: int = 0, workers: int = 1) -> Any:
    replicas = OneReplica()
    replicas.worker, replicas.worker_count = worker, workers
    return call_input_fn(input_fn, mode, {"n": 2}, CONFIG, replicas)


def test_what_the_user_has_bound_is_kept() -> None:
    def input_fn(params: dict[str, int], mode: str) -> tf.data.Dataset:
        assert mode == "mine"
        return tf.data.Dataset.range(params["n"])

    bound = functools.partial(input_fn, params={"n": 3}, mode="mine")
    assert len(called(bound)) == 3
    assert len(called(functools.partial(input_fn, mode="mine"))) == 2


def test_a_missing_argument_is_named() -> None:
    with pytest.raises(ArgumentError, match="got one that needs path"):
        called(lambda path: tf.data.Dataset.range(1))


def test_a_bound_input_context_shards_the_dataset_itself() -> None:
    def input_fn(input_context: Any) -> tf.data.Dataset:
        return tf.data.Dataset.range(4)

    context = tf.distribute.InputContext(2, 1, 2)
    own = called(functools.partial(input_fn, input_context=context), worker=1, workers=2)
    none = called(functools.partial(input_fn, input_context=None), worker=1, workers=2)
    assert [int(one) for one in own] == [0, 1, 2, 3]
    assert [int(one) for one in none] == [1, 3]


def test_a_list_of_features_and_labels_is_a_tuple() -> None:
    dataset = called(lambda: [{"x": tf.ones([2])}, tf.zeros([2])])
    features, labels = split(next(iter(dataset)))
    assert features["x"].numpy().tolist() == [1, 1]
    assert labels.numpy().tolist() == [0, 0]


@pytest.mark.parametrize("given", [({"x": 1.0},), ({"x": 1.0}, 0, 1.0), [{"x": 1.0}, 0, 1.0]])
def test_a_tuple_of_another_length_is_refused(given: Any) -> None:
    with pytest.raises(ArgumentError, match=f"a tuple of length {len(given)}"):
        called(lambda: given)
    with pytest.raises(ArgumentError, match=f"a tuple of length {len(given)}"):
        split(tuple(given))


def test_a_generator_is_refused_with_what_to_return() -> None:
    def batches() -> Any:
        yield {"x": [[1.0]]}, [0]

    with pytest.raises(ArgumentError, match="expected a Dataset, got a generator"):
        call_input_fn(batches, ModeKeys.TRAIN, {}, RunConfig(), OneReplica())
