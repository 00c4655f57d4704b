"""A label for each step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import ArgumentError, LabelError, MissingFeatureError
from rnn_core.heads import BinaryClassHead, MultiClassHead
from rnn_core.heads.sequential import SequentialHeadWrapper

LENGTHS = [3, 1]
MASK = tf.sequence_mask(LENGTHS, 3)
LOGITS = tf.constant(np.random.default_rng(3).normal(size=(2, 3, 3)), tf.float32)
LABELS = tf.ragged.constant([[0, 2, 1], [1]], dtype=tf.int64)
WEIGHTS = tf.ragged.constant([[1.0, 2.0, 0.5], [3.0]])


def of_steps(values: Any) -> Any:
    return tf.boolean_mask(values, MASK)


@pytest.mark.parametrize("reduction", ["sum_over_batch_size", "sum"])
def test_losses_and_metrics_are_those_of_the_real_steps_as_examples(reduction: str) -> None:
    head = MultiClassHead(3, "w", loss_reduction=reduction)
    wrapped = SequentialHeadWrapper(head, "mask", "w")
    features = {"w": WEIGHTS.to_sparse(), "mask": tf.cast(MASK, tf.int64), "x": LOGITS}
    found = wrapped.losses(features, LABELS.to_sparse(), LOGITS)
    flat = {"w": WEIGHTS.flat_values}
    expected = head.losses(flat, LABELS.flat_values, of_steps(LOGITS))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
    sums = wrapped.sums(found, of_steps(LOGITS))
    assert wrapped.metrics(sums) == head.metrics(head.sums(expected, of_steps(LOGITS)))


def test_the_features_that_are_not_named_do_not_reach_the_wrapped_head() -> None:
    wrapped = SequentialHeadWrapper(MultiClassHead(3), "mask", ["w"])
    features, labels, logits = wrapped.flatten({"w": WEIGHTS, "x": LOGITS}, LABELS, LOGITS, MASK)
    assert set(features) == {"w"}
    assert isinstance(labels, tf.Tensor)
    assert labels.shape == (4, 1)
    assert logits.shape == (4, 3)


@pytest.mark.parametrize(
    ("head", "width"),
    [(MultiClassHead(3, label_vocabulary=["p", "q", "r"]), 3), (BinaryClassHead(), 1)],
)
def test_predictions_are_of_every_step_and_all_classes_of_every_row(head: Any, width: int) -> None:
    wrapped = SequentialHeadWrapper(head, "mask")
    logits = LOGITS[:, :, :width]
    found = wrapped.masked_predictions(logits, MASK)
    classes = max(width, 2)
    shapes = {
        "logits": (2, 3, width),
        "probabilities": (2, 3, classes),
        "class_ids": (2, 3, 1),
        "classes": (2, 3, 1),
        "all_class_ids": (2, classes),
        "all_classes": (2, classes),
        "mask": (2, 3),
    }
    assert {name: found[name].shape for name in shapes} == shapes
    np.testing.assert_array_equal(found["logits"], logits)
    alone = head.predictions(logits[1])
    np.testing.assert_array_equal(found["classes"][1], alone["classes"])
    np.testing.assert_allclose(found["probabilities"][1], alone["probabilities"], rtol=1e-6)


def test_signatures_do_not_have_the_mask() -> None:
    wrapped = SequentialHeadWrapper(MultiClassHead(3), "mask")
    with_mask = wrapped.export_outputs(wrapped.masked_predictions(LOGITS, MASK))
    without = wrapped.export_outputs(wrapped.predictions(LOGITS))
    assert with_mask.keys() == without.keys() == {"serving_default", "classification", "predict"}


def test_it_says_what_it_wraps() -> None:
    head = MultiClassHead(3, loss_reduction="sum", name="tags")
    wrapped = SequentialHeadWrapper(head)
    assert wrapped.static_head is head
    assert wrapped.input_sequence_mask_key == "sequence_length_mask"
    assert (wrapped.logits_dimension, wrapped.loss_reduction) == (3, "sum")
    assert wrapped.name == "tags_sequential"
    assert SequentialHeadWrapper(MultiClassHead(3)).name is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sequence_length_mask": 3}, "sequence_length_mask: expected a string"),
        ({"feature_columns": 3}, "feature_columns: expected the name"),
        ({"feature_columns": [tf.feature_column.numeric_column("w")]}, "None or a string"),
        ({"static_head": SequentialHeadWrapper(MultiClassHead(3))}, "got a wrapper"),
    ],
)
def test_arguments_that_do_not_fit_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        SequentialHeadWrapper(**{"static_head": MultiClassHead(3), **arguments})


def test_what_is_missing_is_named() -> None:
    wrapped = SequentialHeadWrapper(MultiClassHead(3), "mask", "w")
    with pytest.raises(MissingFeatureError, match="'mask' among the features, got: w"):
        wrapped.losses({"w": WEIGHTS}, LABELS, LOGITS)
    with pytest.raises(MissingFeatureError, match="'w' is not in the input"):
        wrapped.losses({"mask": MASK}, LABELS, LOGITS)
    with pytest.raises(LabelError, match="got NoneType"):
        wrapped.flatten({"w": WEIGHTS}, None, LOGITS, MASK)
