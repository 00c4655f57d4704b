"""Two classes."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import f1_score, log_loss, roc_auc_score

from rnn_core import BinaryClassHead
from rnn_core.heads.export_outputs import ClassificationOutput, PredictOutput, RegressionOutput
from tests.rnn_core.heads.samples import LABELS2, LOGITS1, losses, metrics


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


def test_macro_f1_of_two_classes_counts_both_of_them() -> None:
    found = metrics(BinaryClassHead(macro_f1=True), LABELS2, LOGITS1)
    expected = f1_score(LABELS2, LOGITS1[:, 0] > 0, average="macro")
    assert found["macro_f1"] == pytest.approx(expected)


def test_a_named_head_has_named_metrics_but_one_loss() -> None:
    found = metrics(BinaryClassHead(name="end", thresholds=[0.25]), LABELS2, LOGITS1)
    assert {"loss", "average_loss/end", "recall/positive_threshold_0.25/end"} < set(found)
    assert [name for name in found if not name.endswith("/end")] == ["loss"]


def test_predictions_of_two_classes_add_the_logistic() -> None:
    predicted = BinaryClassHead().predictions(tf.constant(LOGITS1))
    np.testing.assert_allclose(predicted["probabilities"][:, 1:], predicted["logistic"], rtol=1e-5)
    assert predicted["class_ids"].numpy()[:, 0].tolist() == (LOGITS1[:, 0] > 0).tolist()
    assert predicted["classes"].numpy()[0, 0] in (b"0", b"1")


def test_the_regression_that_is_exported_is_the_logistic() -> None:
    head = BinaryClassHead(label_vocabulary=["no", "yes"])
    predicted = head.predictions(tf.constant(LOGITS1))
    outputs = head.export_outputs(predicted)
    regression, predict = outputs["regression"], outputs["predict"]
    assert isinstance(regression, RegressionOutput)
    assert regression.value is predicted["logistic"]
    assert isinstance(predict, PredictOutput)
    assert predict.outputs == predicted
    assert outputs["serving_default"] is outputs["classification"]
    classification = outputs["classification"]
    assert isinstance(classification, ClassificationOutput)
    assert classification.scores is predicted["probabilities"]
    assert classification.classes is not None
    assert classification.classes.numpy()[0].tolist() == [b"no", b"yes"]


def test_labels_of_two_classes_may_lie_between() -> None:
    soft = np.linspace(0, 1, 6).astype(np.float32)
    found = losses(BinaryClassHead(), soft, LOGITS1).per_example.numpy()[:, 0]
    p = tf.sigmoid(LOGITS1).numpy()[:, 0]
    np.testing.assert_allclose(found, -soft * np.log(p) - (1 - soft) * np.log(1 - p), rtol=1e-4)


def test_strings_of_two_classes_are_numbered_by_the_vocabulary() -> None:
    named = losses(
        BinaryClassHead(label_vocabulary=["no", "yes"]), np.array(["no", "yes"])[LABELS2], LOGITS1
    )
    assert named.labels.numpy()[:, 0].tolist() == LABELS2.tolist()
