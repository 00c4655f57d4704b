"""More than two classes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score, log_loss

from rnn_core import MultiClassHead
from tests.rnn_core.heads.samples import (
    LABELS3,
    LOGITS3,
    WEIGHTS,
    WORDS,
    losses,
    metrics,
)


def test_many_classes_have_softmax_cross_entropy_and_accuracy() -> None:
    found = metrics(MultiClassHead(3), LABELS3, LOGITS3)
    probabilities = tf.nn.softmax(LOGITS3).numpy()
    assert found["average_loss"] == pytest.approx(log_loss(LABELS3, probabilities), rel=1e-5)
    assert found["loss"] == pytest.approx(found["average_loss"], rel=1e-6)
    assert found["accuracy"] == np.mean(LOGITS3.argmax(1) == LABELS3)


@pytest.mark.parametrize("cuts", [(6,), (1, 4, 6)])
def test_macro_f1_is_that_of_all_batches_together_if_it_is_asked_for(cuts: tuple[int, ...]) -> None:
    head = MultiClassHead(3, weight_column="w", macro_f1=True)
    found = metrics(head, LABELS3, LOGITS3, {"w": WEIGHTS}, cuts)
    expected = f1_score(LABELS3, LOGITS3.argmax(1), average="macro", sample_weight=WEIGHTS)
    assert found["macro_f1"] == pytest.approx(expected)
    assert "macro_f1" not in metrics(MultiClassHead(3), LABELS3, LOGITS3)


def test_a_class_that_is_neither_a_label_nor_predicted_does_not_count_in_macro_f1() -> None:
    logits = np.array([[2, 1, 0, -9], [0, 1, 0, -9], [3, 1, 0, -9]], np.float32)
    found = metrics(MultiClassHead(4, macro_f1=True), np.array([0, 1, 2]), logits, cuts=(3,))
    # Classes 0 (right once, predicted twice), 1 (right) and 2 (missed).
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1 + 0) / 3)


def test_labels_of_a_vocabulary_are_strings_on_both_sides() -> None:
    head = MultiClassHead(3, label_vocabulary=WORDS)
    named = losses(head, np.array(WORDS)[LABELS3], LOGITS3)
    assert float(named.reduced) == float(losses(MultiClassHead(3), LABELS3, LOGITS3).reduced)
    predicted = head.predictions(tf.constant(LOGITS3))
    assert predicted["classes"].numpy()[:, 0].tolist() == [
        WORDS[index].encode() for index in LOGITS3.argmax(1)
    ]
    assert predicted["all_classes"].numpy()[5].tolist() == [b"x", b"y", b"z"]


def test_predictions_of_many_classes_have_their_shapes() -> None:
    shapes = {
        name: (value.dtype.name, tuple(value.shape))
        for name, value in MultiClassHead(3).predictions(tf.constant(LOGITS3)).items()
    }
    assert shapes == {
        "logits": ("float32", (6, 3)),
        "probabilities": ("float32", (6, 3)),
        "class_ids": ("int64", (6, 1)),
        "classes": ("string", (6, 1)),
        "all_class_ids": ("int32", (6, 3)),
        "all_classes": ("string", (6, 3)),
    }
