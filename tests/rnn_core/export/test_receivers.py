"""Input receivers name their tensors and refuse what is none."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from rnn_core import ArgumentError, export

ONE = tf.constant([1.0])


def test_a_feature_or_receiver_that_is_given_alone_gets_the_name_of_2_15() -> None:
    receiver = export.ServingInputReceiver(ONE, ONE, {"other": ONE})
    assert receiver.features == {"feature": ONE}
    assert receiver.receiver_tensors == {"input": ONE}
    assert receiver.receiver_tensors_alternatives == {"other": {"input": ONE}}


def test_a_tensor_receiver_keeps_its_feature_alone() -> None:
    receiver = export.TensorServingInputReceiver(ONE, {"x": ONE})
    assert receiver.features is ONE
    assert receiver.receiver_tensors == {"x": ONE}
    assert receiver.receiver_tensors_alternatives is None


def test_sparse_and_ragged_tensors_and_whole_numbers_as_names_are_features() -> None:
    features = {1: tf.sparse.from_dense([[1]]), "b": tf.ragged.constant([[1], []])}
    assert export.ServingInputReceiver(features, ONE).features == features


def test_a_supervised_receiver_keeps_features_and_labels_as_they_are() -> None:
    receiver = export.SupervisedInputReceiver(ONE, {"y": ONE}, ONE)
    assert receiver.features is ONE
    assert receiver.labels == {"y": ONE}
    assert receiver.receiver_tensors == {"input": ONE}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, ONE), "features: expected a tensor"),
        (({"a": 1.0}, ONE), r"features\['a'\]: expected a tensor"),
        ((ONE, None), "receiver_tensors: expected a tensor"),
        ((ONE, {1: ONE}), "receiver_tensors: expected strings as names, got 1"),
        ((ONE, ONE, ONE), "alternatives: expected a dict"),
    ],
)
def test_what_is_no_tensor_or_has_no_name_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        export.ServingInputReceiver(*arguments)


def test_a_tensor_receiver_takes_no_dict() -> None:
    with pytest.raises(ArgumentError, match="features: expected a tensor"):
        export.TensorServingInputReceiver({"a": ONE}, ONE)


def test_a_supervised_receiver_needs_labels() -> None:
    with pytest.raises(ArgumentError, match="labels: expected a tensor"):
        export.SupervisedInputReceiver(ONE, None, ONE)
