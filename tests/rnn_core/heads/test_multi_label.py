"""Any number of classes at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss

from rnn_core import ArgumentError, LabelError, MultiLabelHead
from tests.rnn_core.goldens.head_cases import MANY, MANY_NAMES
from tests.rnn_core.heads.samples import LOGITS3, WORDS, losses, metrics

IDS = [[WORDS.index(word) for word in words] for words in MANY_NAMES]
RAGGED = tf.ragged.constant(IDS, dtype=tf.int64)


@pytest.mark.parametrize("labels", [RAGGED, RAGGED.to_sparse(), MANY, MANY.astype(np.float32)])
def test_lists_of_ids_are_the_same_as_indicators(labels: Any) -> None:
    run = tf.function(lambda: MultiLabelHead(3).losses({}, labels, LOGITS3), autograph=False)
    assert run().labels.numpy().tolist() == MANY.tolist()


def test_an_id_that_is_given_twice_counts_once() -> None:
    labels = tf.ragged.constant([[1, 1], [0, 1]])
    assert losses(MultiLabelHead(3), labels, LOGITS3[:2]).labels.numpy().tolist() == [
        [0, 1, 0],
        [1, 1, 0],
    ]


def test_sparse_labels_without_rows_are_refused() -> None:
    labels = tf.SparseTensor([[0], [2]], tf.constant([1, 2], tf.int64), [6])
    with pytest.raises(LabelError, match=r"sparse labels \[B, \?\], got the shape \(6,\)"):
        MultiLabelHead(3).losses({}, labels, tf.constant(LOGITS3))


def test_the_loss_is_the_mean_over_the_classes() -> None:
    found = losses(MultiLabelHead(3), MANY, LOGITS3).per_example.numpy()[:, 0]
    p = tf.sigmoid(LOGITS3).numpy()
    expected = [log_loss(labels, row, labels=[0, 1]) for labels, row in zip(MANY, p, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("vocabulary", "classes", "names"),
    [
        (None, [0, 2], ["class0", "class2"]),
        (WORDS, ["z", "x"], ["x", "z"]),
        (WORDS, [1], ["y"]),
    ],
)
def test_chosen_classes_have_metrics_of_their_own(
    vocabulary: Any, classes: Any, names: list[str]
) -> None:
    head = MultiLabelHead(
        3, label_vocabulary=vocabulary, classes_for_class_based_metrics=classes, name="h"
    )
    found = metrics(head, MANY, LOGITS3)
    kinds = ("auc", "auc_precision_recall", "probability_mean")
    assert sorted(name for name in found if name.count("/") == 2) == sorted(
        f"{kind}/{name}/h" for kind in kinds for name in names
    )


@pytest.mark.parametrize("wrong", [[3], [-1], ["x"], [0.5]])
def test_classes_that_are_not_there_are_refused(wrong: Any) -> None:
    with pytest.raises(ArgumentError, match="classes_for_class_based_metrics: expected"):
        MultiLabelHead(3, classes_for_class_based_metrics=wrong)


def test_one_class_is_refused() -> None:
    with pytest.raises(ArgumentError, match="n_classes of MultiLabelHead"):
        MultiLabelHead(1)
