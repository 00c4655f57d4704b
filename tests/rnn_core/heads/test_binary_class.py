"""Two classes."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import log_loss, roc_auc_score

from rnn_core import BinaryClassHead
from tests.rnn_core.heads.samples import (
    LABELS2,
    LOGITS1,
    WEIGHTS,
    losses,
    metrics,
)


def test_two_classes_have_ten_metrics() -> None:
    found = metrics(BinaryClassHead(), LABELS2, LOGITS1)
    scores = tf.sigmoid(LOGITS1).numpy()[:, 0]
    predicted = scores > 0.5
    assert sorted(found) == [
        "accuracy",
        "accuracy_baseline",
        "auc",
        "auc_precision_recall",
        "average_loss",
        "label/mean",
        "loss",
        "precision",
        "prediction/mean",
        "recall",
    ]
    assert found["average_loss"] == pytest.approx(log_loss(LABELS2, scores), rel=1e-5)
    assert found["auc"] == pytest.approx(roc_auc_score(LABELS2, scores), abs=1e-6)
    assert found["label/mean"] == pytest.approx(LABELS2.mean())
    assert found["accuracy_baseline"] == pytest.approx(LABELS2.mean())
    assert found["prediction/mean"] == pytest.approx(scores.mean(), rel=1e-6)
    assert found["precision"] == pytest.approx(LABELS2[predicted].mean())
    assert found["recall"] == pytest.approx(predicted[LABELS2 == 1].mean())


def test_the_curves_of_a_perfect_ranking_have_the_area_one() -> None:
    logits = np.where(LABELS2 == 1, 2.0, -2.0).astype(np.float32)[:, np.newaxis]
    found = metrics(BinaryClassHead(), LABELS2, logits)
    assert (found["auc"], found["auc_precision_recall"]) == pytest.approx((1.0, 1.0))


def test_curves_agree_with_keras() -> None:
    for curve, name in (("ROC", "auc"), ("PR", "auc_precision_recall")):
        reference = keras.metrics.AUC(200, curve)
        reference.update_state(LABELS2, tf.sigmoid(LOGITS1)[:, 0], WEIGHTS)
        found = metrics(BinaryClassHead("w"), LABELS2, LOGITS1, {"w": WEIGHTS})
        assert found[name] == pytest.approx(float(reference.result()), rel=1e-5)


def test_predictions_of_two_classes_add_the_logistic() -> None:
    predicted = BinaryClassHead().predictions(tf.constant(LOGITS1))
    np.testing.assert_allclose(predicted["probabilities"][:, 1:], predicted["logistic"], rtol=1e-5)
    assert predicted["class_ids"].numpy()[:, 0].tolist() == (LOGITS1[:, 0] > 0).tolist()
    assert predicted["classes"].numpy()[0, 0] in (b"0", b"1")


def test_labels_of_two_classes_may_lie_between() -> None:
    soft = np.linspace(0, 1, 6).astype(np.float32)
    found = losses(BinaryClassHead(), soft, LOGITS1).per_example.numpy()[:, 0]
    p = tf.sigmoid(LOGITS1).numpy()[:, 0]
    np.testing.assert_allclose(found, -soft * np.log(p) - (1 - soft) * np.log(1 - p), rtol=1e-4)
