"""The receivers that are built from a parsing specification or from examples of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, build_raw_supervised_input_receiver_fn, export


def in_graph(receiver_fn: Any) -> Any:
    with tf.Graph().as_default():
        return receiver_fn()


def test_a_parsing_receiver_takes_serialized_examples() -> None:
    spec = {
        "dense": tf.io.FixedLenFeature([2], tf.float32),
        "sparse": tf.io.VarLenFeature(tf.int64),
        "ragged": tf.io.RaggedFeature(tf.int64),
    }
    receiver = in_graph(export.build_parsing_serving_input_receiver_fn(spec))
    examples = receiver.receiver_tensors["examples"]
    assert (examples.dtype, examples.shape.as_list()) == (tf.string, [None])
    assert examples.name == "input_example_tensor:0"
    assert receiver.features["dense"].shape.as_list() == [None, 2]
    assert isinstance(receiver.features["sparse"], tf.SparseTensor)
    assert isinstance(receiver.features["ragged"], tf.RaggedTensor)


def test_a_raw_receiver_takes_each_feature_as_it_is() -> None:
    features = {
        "dense": tf.ones([4, 3]),
        "array": np.ones([4], np.int32),
        "sparse": tf.sparse.from_dense([[1, 0], [2, 3]]),
        "ragged": tf.ragged.constant([[[1.0, 2.0]], []], ragged_rank=1),
        "spec": tf.TensorSpec([None, 5], tf.string),
    }
    receiver = in_graph(export.build_raw_serving_input_receiver_fn(features))
    assert receiver.features == receiver.receiver_tensors
    assert {name: tensor.shape.as_list() for name, tensor in receiver.features.items()} == {
        "dense": [None, 3],
        "array": [None],
        "sparse": [None, None],
        "ragged": [None, None, 2],
        "spec": [None, 5],
    }
    assert isinstance(receiver.features["sparse"], tf.SparseTensor)
    assert isinstance(receiver.features["ragged"], tf.RaggedTensor)


def test_a_batch_size_may_be_fixed() -> None:
    parsing = export.build_parsing_serving_input_receiver_fn({}, default_batch_size=3)
    raw = export.build_raw_serving_input_receiver_fn({"a": tf.ones([4, 2])}, default_batch_size=3)
    assert in_graph(raw).features["a"].shape.as_list() == [3, 2]
    with pytest.raises(ValueError, match="features"):
        in_graph(parsing)


@pytest.mark.parametrize("named", [True, False])
def test_a_supervised_receiver_takes_features_and_labels(named: bool) -> None:
    x, y = tf.ones([4, 2]), tf.ones([4, 1], tf.int64)
    given: Any = ({"x": x}, {"y": y}) if named else (x, y)
    receiver = in_graph(build_raw_supervised_input_receiver_fn(*given))
    assert sorted(receiver.receiver_tensors) == (["x", "y"] if named else ["input", "label"])
    features = receiver.features["x"] if named else receiver.features
    labels = receiver.labels["y"] if named else receiver.labels
    assert features.shape.as_list() == [None, 2]
    assert labels.dtype == tf.int64


def test_a_feature_and_a_label_of_one_name_are_refused() -> None:
    with pytest.raises(ArgumentError, match="both have a"):
        build_raw_supervised_input_receiver_fn({"a": tf.ones([1])}, {"a": tf.ones([1])})
