"""One label for each row."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from components.labels.per_row import LabelOfRow

KIND = LabelOfRow()


def test_anything_but_a_list_may_be_the_label() -> None:
    assert KIND.is_label("a", 2)
    assert KIND.is_label(3, 2)
    assert not KIND.is_label(["a", "b"], 2)


def test_answers_are_the_probabilities_of_the_rows() -> None:
    probabilities = np.array([[0.2, 0.8]], np.float32)
    assert KIND.answers({"probabilities": probabilities}) is probabilities


def test_the_served_classes_are_one_a_row() -> None:
    found = {
        "probabilities": tf.constant([[0.2, 0.8], [0.6, 0.4]]),
        "classes": tf.constant([["b"], ["a"]]),
        "class_ids": tf.constant([[1], [0]]),
        "logits": tf.constant([[1.0], [-1.0]]),
    }
    served = KIND.served(found)
    assert served["classes"].numpy().tolist() == [b"b", b"a"]
    assert served["class_ids"].dtype == tf.int64
    assert set(served) == set(found)
