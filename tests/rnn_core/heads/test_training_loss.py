"""Losses of training alone: smoothed labels, weights of classes, focus on what is hard."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from rnn_core import (
    ArgumentError,
    BinaryClassHead,
    MultiClassHead,
    MultiHead,
    RegressionHead,
    SequentialHeadWrapper,
)
from tests.rnn_core.heads.samples import (
    LABELS2,
    LABELS3,
    LOGITS1,
    LOGITS3,
    WEIGHTS,
    WORDS,
    losses,
    metrics,
)
from tests.rnn_core.samples import Data, make_estimator, same_bits, weights_of

SETTINGS: list[dict[str, Any]] = [
    {"label_smoothing": 0.1},
    {"focal_gamma": 2.0},
    {"focal_gamma": 0.5, "label_smoothing": 0.2},
    {"class_weights": [0.5, 2.0, 3.0]},
    {"class_weights": [0.5, 2.0, 3.0], "focal_gamma": 2.0, "label_smoothing": 0.1},
]


def expected(
    targets: Any,
    logits: Any,
    label_smoothing: float = 0.0,
    class_weights: Any = None,
    focal_gamma: float = 0.0,
) -> Any:
    """The formula of the module, in NumPy and double precision, for each example."""
    exponentials = np.exp(logits.astype(np.float64))
    p = exponentials / exponentials.sum(1, keepdims=True)
    classes = logits.shape[1]
    smoothed = (1 - label_smoothing) * targets + label_smoothing / classes
    weights = np.ones(classes) if class_weights is None else np.array(class_weights[:classes])
    each = (smoothed * (1 - p) ** focal_gamma * -np.log(p)).sum(1)
    return (targets * weights).sum(1) * each


def trained(head: Any, labels: Any, logits: Any, features: Any = None) -> float:
    return float(losses(head, labels, logits, features).minimized)


def two_logits(logits: Any) -> Any:
    return np.concatenate([np.zeros_like(logits), logits], 1)


@pytest.mark.parametrize("settings", SETTINGS)
def test_training_minimizes_the_formula(settings: dict[str, Any]) -> None:
    each = expected(np.eye(3)[LABELS3], LOGITS3, **settings)
    assert trained(MultiClassHead(3, **settings), LABELS3, LOGITS3) == pytest.approx(
        each.mean(), rel=1e-5
    )
    weighed = MultiClassHead(3, "w", loss_reduction="sum", **settings)
    found = trained(weighed, LABELS3, LOGITS3, {"w": tf.constant(WEIGHTS)})
    assert found == pytest.approx((WEIGHTS * each).sum(), rel=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("labels", [LABELS2, np.array([0.0, 0.2, 0.5, 1.0, 0.7, 0.9], np.float32)])
def test_two_classes_are_a_softmax_over_0_and_the_logit(
    labels: Any, settings: dict[str, Any]
) -> None:
    settings = {**settings}
    if "class_weights" in settings:
        settings["class_weights"] = settings["class_weights"][:2]
    each = expected(np.stack([1 - labels, labels], 1), two_logits(LOGITS1), **settings)
    found = trained(BinaryClassHead(**settings), labels, LOGITS1)
    assert found == pytest.approx(each.mean(), rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.0, 2.0])
def test_numbers_are_those_of_keras(smoothing: float, gamma: float) -> None:
    theirs = keras.losses.CategoricalFocalCrossentropy(1.0, gamma, True, smoothing)
    ours: dict[str, Any] = {"label_smoothing": smoothing, "focal_gamma": gamma}
    found = trained(MultiClassHead(3, **ours), LABELS3, LOGITS3)
    wanted = float(theirs(np.eye(3, dtype=np.float32)[LABELS3], LOGITS3))
    assert found == pytest.approx(wanted, rel=1e-5)
    found = trained(BinaryClassHead(**ours), LABELS2, LOGITS1)
    wanted = float(theirs(np.eye(2, dtype=np.float32)[LABELS2], two_logits(LOGITS1)))
    assert found == pytest.approx(wanted, rel=1e-5)


def test_two_classes_have_the_binary_losses_of_keras() -> None:
    labels = LABELS2[:, np.newaxis].astype(np.float32)
    pairs: list[tuple[dict[str, Any], Any]] = [
        (
            {"label_smoothing": 0.1},
            keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1),
        ),
        (
            {"focal_gamma": 2.0, "class_weights": [0.75, 0.25]},
            keras.losses.BinaryFocalCrossentropy(True, from_logits=True),
        ),
    ]
    for settings, theirs in pairs:
        found = trained(BinaryClassHead(**settings), LABELS2, LOGITS1)
        assert found == pytest.approx(float(theirs(labels, LOGITS1)), rel=1e-5)


@pytest.mark.parametrize("settings", SETTINGS)
def test_evaluation_reports_the_cross_entropy(settings: dict[str, Any]) -> None:
    features = {"w": tf.constant(WEIGHTS)}
    plain = metrics(MultiClassHead(3, "w"), LABELS3, LOGITS3, features)
    assert metrics(MultiClassHead(3, "w", **settings), LABELS3, LOGITS3, features) == plain


def test_without_settings_training_minimizes_what_evaluation_reports() -> None:
    for head in (MultiClassHead(3), MultiClassHead(3, label_smoothing=0, focal_gamma=0)):
        found = losses(head, LABELS3, LOGITS3)
        assert found.training is None
        assert found.minimized is found.reduced


def test_weights_may_be_given_by_label() -> None:
    ordered = trained(MultiClassHead(3, class_weights=(0.5, 2, 3)), LABELS3, LOGITS3)
    by_id = MultiClassHead(3, class_weights={2: 3, 0: 0.5, np.int64(1): 2})
    assert trained(by_id, LABELS3, LOGITS3) == ordered
    by_word = {"z": 3.0, b"x": 0.5, "y": 2.0}
    named = MultiClassHead(3, label_vocabulary=WORDS, class_weights=by_word)
    assert trained(named, np.array(WORDS)[LABELS3], LOGITS3) == ordered


def test_weights_belong_to_a_loss_function_too() -> None:
    head = MultiClassHead(
        3, loss_fn=lambda labels, logits: 0 * logits[:, :1] + 1, class_weights=[1, 2, 3]
    )
    found = losses(head, LABELS3, LOGITS3)
    assert (float(found.reduced), float(found.minimized)) == (1, (LABELS3 + 1).mean())


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_the_gradient_of_a_certain_network_is_finite(gamma: float) -> None:
    logits = tf.Variable([[0.0, 200.0, 0.0], [0.0, 200.0, 0.0], [0.0, 17.0, 0.0]])
    head = MultiClassHead(3, focal_gamma=gamma, label_smoothing=0.1)
    with tf.GradientTape() as tape:
        loss = head.losses({}, tf.constant([1, 0, 1]), logits).minimized
    assert np.isfinite(tape.gradient(loss, logits)).all()
    assert math.isfinite(float(loss))


def test_the_steps_of_sequences_have_it_too() -> None:
    head = SequentialHeadWrapper(MultiClassHead(3, label_smoothing=0.1, class_weights=[1, 2, 3]))
    mask = tf.constant([[True, True, False], [True, True, True]])
    labels, logits = LABELS3.reshape(2, 3), LOGITS3.reshape(2, 3, 3)
    found = head.losses({"sequence_length_mask": mask}, tf.constant(labels), tf.constant(logits))
    real = [0, 1, 3, 4, 5]
    alone = losses(head.static_head, LABELS3[real], LOGITS3[real])
    assert float(found.minimized) == pytest.approx(float(alone.minimized), rel=1e-6)
    assert float(found.minimized) != float(found.reduced)


def test_heads_side_by_side_minimize_the_sum_of_what_each_does() -> None:
    smoothed, plain = MultiClassHead(3, name="a", label_smoothing=0.1), RegressionHead(name="b")
    both = MultiHead([smoothed, plain], [2.0, 0.5])
    labels = {"a": tf.constant(LABELS3), "b": tf.constant(LABELS2)}
    found = both.losses({}, labels, tf.concat([LOGITS3, LOGITS1], 1))
    one, other = losses(smoothed, LABELS3, LOGITS3), losses(plain, LABELS2, LOGITS1)
    assert float(found.minimized) == pytest.approx(2 * one.minimized + 0.5 * other.minimized)
    assert float(found.reduced) == pytest.approx(2 * one.reduced + 0.5 * other.reduced)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_smoothing": 1.0}, r"label_smoothing: expected a number in \[0, 1\), got 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing: .* got -0.1"),
        ({"label_smoothing": True}, "label_smoothing: .* got True"),
        ({"focal_gamma": -1}, "focal_gamma: expected a number that is 0 or more, got -1"),
        ({"focal_gamma": math.nan}, "focal_gamma: .* got nan"),
        ({"focal_gamma": "2"}, "focal_gamma: .* got '2'"),
        ({"class_weights": [1, 2]}, "class_weights: expected 3 numbers, one for each class"),
        ({"class_weights": "abc"}, "class_weights: expected 3 numbers"),
        ({"class_weights": [1, 2, 0]}, "class_weights: expected positive numbers, got 0"),
        ({"class_weights": {0: 1, 1: 1}}, r"by its id; missing: \[2\], unknown: \[\]"),
        (
            {"class_weights": {"x": 1, "y": 1, "w": 1}, "label_vocabulary": WORDS},
            r"by its label in label_vocabulary; missing: \['z'\], unknown: \['w'\]",
        ),
        (
            {"label_smoothing": 0.1, "loss_fn": lambda labels, logits: logits},
            "loss_fn: expected neither label_smoothing nor focal_gamma",
        ),
    ],
)
def test_what_is_not_legal_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        MultiClassHead(3, **arguments)


@pytest.mark.slow
def test_a_classifier_trains_on_it_and_is_compared_without_it(data: Data, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"label_smoothing": 0.1, "class_weights": [1, 2, 3]}
    settings["focal_gamma"] = 2.0
    plain = make_estimator(tmp_path / "plain").train(data.train_input, max_steps=4)
    other = make_estimator(tmp_path / "other", **settings).train(data.train_input, max_steps=4)
    assert not same_bits(weights_of(plain), weights_of(other))
    # Of the same weights, both report the same.
    checkpoint = plain.latest_checkpoint()
    assert other.evaluate(data.eval_input, checkpoint_path=checkpoint) == plain.evaluate(
        data.eval_input
    )
