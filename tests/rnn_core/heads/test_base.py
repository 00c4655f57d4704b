"""What the heads share: labels, weights, reductions and sums."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core import ArgumentError, BinaryClassHead, LabelError, MissingFeatureError, MultiClassHead
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


@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 5), unique=True).map(lambda cut: (*sorted(cut), 6)))
def test_an_evaluation_may_be_cut_anywhere(cuts: tuple[int, ...]) -> None:
    head = BinaryClassHead("w")
    whole = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS})
    parts = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS}, cuts)
    for name in set(whole) - {"loss"}:
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)


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
