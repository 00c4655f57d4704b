"""The heads: losses, predictions and metrics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss, roc_auc_score

from rnn_core import ArgumentError, BinaryClassHead, LabelError, MissingFeatureError, MultiClassHead
from rnn_core.checks import named_errors

RANDOM = np.random.default_rng(1)
LOGITS3 = RANDOM.normal(size=(6, 3)).astype(np.float32)
LABELS3 = np.array([0, 1, 2, 2, 1, 0])
LOGITS1 = RANDOM.normal(size=(6, 1)).astype(np.float32)
LABELS2 = np.array([0, 1, 1, 0, 1, 1])
WEIGHTS = np.array([1, 2, 0.5, 1, 3, 0], np.float32)
WORDS = ["x", "y", "z"]


def losses(head: Any, labels: Any, logits: Any, features: Any = None) -> Any:
    """As in a training: inside of a graph."""
    run = tf.function(
        lambda: head.losses(features or {}, tf.constant(labels), logits), autograph=False
    )
    with named_errors():
        return run()


def metrics(head: Any, labels: Any, logits: Any, features: Any = None, cuts: Any = (6,)) -> Any:
    total: dict[str, Any] = {}
    start = 0
    for end in cuts:
        part = {name: value[start:end] for name, value in (features or {}).items()}
        batch = logits[start:end]
        found = head.losses(part, tf.constant(labels[start:end]), tf.constant(batch))
        sums = head.sums(found, tf.constant(batch))
        for name, value in sums.items():
            total[name] = total.get(name, 0) + value.numpy()
        start = end
    return head.metrics(total)


def test_many_classes_have_softmax_cross_entropy_and_accuracy() -> None:
    found = metrics(MultiClassHead(3), LABELS3, LOGITS3)
    probabilities = tf.nn.softmax(LOGITS3).numpy()
    assert found["average_loss"] == pytest.approx(log_loss(LABELS3, probabilities), rel=1e-5)
    assert found["loss"] == pytest.approx(found["average_loss"], rel=1e-6)
    assert found["accuracy"] == np.mean(LOGITS3.argmax(1) == LABELS3)


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
        keras = tf.keras.metrics.AUC(200, curve)
        keras.update_state(LABELS2, tf.sigmoid(LOGITS1)[:, 0], WEIGHTS)
        found = metrics(BinaryClassHead("w"), LABELS2, LOGITS1, {"w": WEIGHTS})
        assert found[name] == pytest.approx(float(keras.result()), rel=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size"])
def test_weights_multiply_losses_and_do_not_divide_them(reduction: str) -> None:
    head = MultiClassHead(3, "w", loss_reduction=reduction)
    found = losses(head, LABELS3, LOGITS3, {"w": tf.constant(WEIGHTS)})
    plain = losses(MultiClassHead(3), LABELS3, LOGITS3).per_example.numpy()[:, 0]
    total = (plain * WEIGHTS).sum()
    expected = total if reduction == "sum" else total / 6
    assert float(found.reduced) == pytest.approx(expected, rel=1e-6)


def test_a_numeric_weight_column_applies_its_normalizer() -> None:
    column = tf.feature_column.numeric_column("w", normalizer_fn=lambda value: value * 2)
    found = losses(MultiClassHead(3, column), LABELS3, LOGITS3, {"w": tf.constant(WEIGHTS)})
    assert found.weights.numpy()[:, 0].tolist() == (WEIGHTS * 2).tolist()


@given(cuts=st.lists(st.integers(1, 5), unique=True).map(lambda cut: (*sorted(cut), 6)))
def test_an_evaluation_may_be_cut_anywhere(cuts: tuple[int, ...]) -> None:
    head = BinaryClassHead("w")
    whole = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS})
    parts = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS}, cuts)
    for name in set(whole) - {"loss"}:
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)


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


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (MultiClassHead(3), [0, 1, 2, 3, 1, 0], r"outside of \[0, 3\).*3"),
        (MultiClassHead(3), [0, 1, 2, -1, 1, 0], r"outside of \[0, 3\).*-1"),
        (MultiClassHead(3), [0.0] * 6, "integer labels"),
        (MultiClassHead(3), ["x"] * 6, "label_vocabulary"),
        (MultiClassHead(3, label_vocabulary=WORDS), ["q"] * 6, "not in label_vocabulary.*q"),
        (MultiClassHead(3, label_vocabulary=WORDS), [1] * 6, "type string"),
        (MultiClassHead(3), [0, 1], "one for each row"),
        (MultiClassHead(3), [[0, 1, 2]] * 2, "shape"),
        (BinaryClassHead(), [0.0, 1.0, 1.5, 0.0, 0.0, 0.0], r"outside of \[0, 1\].*1.5"),
        (BinaryClassHead(), ["x"] * 6, "label_vocabulary"),
    ],
)
def test_labels_that_cannot_be_used_are_named(head: Any, labels: Any, message: str) -> None:
    logits = LOGITS3 if isinstance(head, MultiClassHead) else LOGITS1
    with pytest.raises(LabelError, match=message):
        losses(head, labels, logits)


def test_no_labels_are_named() -> None:
    with pytest.raises(LabelError, match="got None"):
        MultiClassHead(3).losses({}, None, LOGITS3)


def test_a_missing_or_negative_weight_is_named() -> None:
    with pytest.raises(MissingFeatureError, match="'w'"):
        losses(MultiClassHead(3, "w"), LABELS3, LOGITS3)
    with pytest.raises(LabelError, match="negative"):
        losses(MultiClassHead(3, "w"), LABELS3, LOGITS3, {"w": tf.constant(-WEIGHTS)})


@pytest.mark.parametrize(
    "make",
    [
        lambda: MultiClassHead(2),
        lambda: MultiClassHead(3, loss_reduction="none"),
        lambda: BinaryClassHead(label_vocabulary=WORDS),
    ],
)
def test_arguments_that_are_not_legal_are_refused(make: Any) -> None:
    with pytest.raises(ArgumentError, match="expected"):
        make()
