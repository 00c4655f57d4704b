"""Which steps of a batch are real."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import FeatureError
from rnn_core.features.sequence_mask import fit_mask, given_mask, steps_mask
from rnn_core.graph.runtime_checks import named_errors

ROWS = [[True, True, True], [True, False, False]]
VALUES = tf.zeros([2, 3, 1])


@pytest.mark.parametrize(
    "mask",
    [
        tf.constant(ROWS),
        tf.constant(ROWS, tf.bool),
        tf.cast(tf.constant(ROWS), tf.int64),
        tf.sparse.from_dense(tf.cast(tf.constant(ROWS), tf.int32)),
        tf.ragged.constant([[True, True, True], [True]]),
    ],
)
def test_a_mask_may_be_of_any_kind(mask: Any) -> None:
    found = given_mask({"mask": mask}, "mask")
    assert found is not None
    assert found.numpy().tolist() == ROWS


def test_lengths_decide_before_a_mask_and_a_mask_before_all_steps() -> None:
    features = {"mask": tf.constant(ROWS)}
    lengths = tf.constant([1, 2], tf.int64)
    assert steps_mask(features, "mask", lengths, VALUES).numpy().tolist() == [[1, 0], [1, 1]]
    assert steps_mask(features, "mask", None, VALUES).numpy().tolist() == ROWS
    assert steps_mask({}, "mask", None, VALUES).numpy().all()


def test_there_is_always_a_step() -> None:
    for lengths in ([0, 0], []):
        mask = steps_mask({}, "mask", tf.constant(lengths, tf.int64), VALUES)
        assert mask.shape == (len(lengths), 1)
        assert not mask.numpy().any()


@pytest.mark.parametrize("wrong", [tf.ones([2, 3]), tf.constant([True]), tf.constant([["a"]])])
def test_a_mask_of_another_rank_or_type_is_named(wrong: Any) -> None:
    with pytest.raises(FeatureError, match=r"mask 'm': expected booleans \[batch, steps\]"):
        given_mask({"m": wrong}, "m")


def test_a_mask_is_fitted_to_the_steps_of_the_logits() -> None:
    logits = tf.zeros([2, 3, 1])
    for width in (2, 3, 5):
        mask = tf.sequence_mask([2, 1], width)
        expected = np.arange(3) < np.array([[2], [1]])
        np.testing.assert_array_equal(fit_mask(mask, logits, "m"), expected)


def test_a_mask_with_steps_after_the_last_one_is_named() -> None:
    run = tf.function(
        lambda: fit_mask(tf.sequence_mask([4, 1], 4), tf.zeros([2, 3, 1]), "m"), autograph=False
    )
    with pytest.raises(FeatureError, match=r"mask 'm': expected no step after"), named_errors():
        run()
