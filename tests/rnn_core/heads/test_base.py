"""What the heads share: the numbers of 2.15, reductions, loss functions, and sums."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import rnn_core
from rnn_core import ArgumentError, BinaryClassHead, MultiClassHead, RegressionHead
from tests.rnn_core.goldens import head_cases
from tests.rnn_core.goldens.head_cases import CASES, Case
from tests.rnn_core.heads.samples import (
    LABELS2,
    LABELS3,
    LOGITS1,
    LOGITS3,
    WEIGHTS,
    losses,
    metrics,
    numbers,
)

GOLDENS = json.loads((Path(head_cases.__file__).parent / "heads.json").read_text())


def head_of(case: Case) -> Any:
    return getattr(rnn_core, case.kind)(*case.arguments)


@pytest.mark.parametrize("name", CASES)
def test_losses_and_metrics_are_those_of_2_15(name: str) -> None:
    """Every argument by position; the metrics are of two batches."""
    head, total = head_of(CASES[name]), dict[str, Any]()
    reduced = []
    for features, labels, logits in CASES[name].batches():
        found = head.losses(features, labels, logits)
        reduced.append(float(found.reduced))
        for key, value in head.sums(found, logits).items():
            total[key] = total.get(key, 0) + value.numpy()
    assert reduced == pytest.approx(GOLDENS[name]["losses"], rel=1e-6, abs=1e-7)
    expected = {**GOLDENS[name]["metrics"], "loss": np.mean(GOLDENS[name]["losses"])}
    assert numbers(head.metrics(total)) == pytest.approx(expected, rel=2e-6, abs=1e-7)


@pytest.mark.parametrize("name", CASES)
def test_predictions_and_signatures_are_those_of_2_15(name: str) -> None:
    head, (_, _, logits) = head_of(CASES[name]), CASES[name].batches()[0]
    predictions = head.predictions(logits)
    expected = GOLDENS[name]["predictions"]
    assert {key: value.dtype.name for key, value in predictions.items()} == {
        key: dtype for key, (dtype, _) in expected.items()
    }
    for key, (dtype, values) in expected.items():
        if dtype == "string":
            assert predictions[key].numpy().astype(str).tolist() == values
        else:
            np.testing.assert_allclose(predictions[key], values, rtol=1e-6)
    outputs = head.export_outputs(predictions)
    assert {key: type(one).__name__ for key, one in outputs.items()} == GOLDENS[name][
        "export_outputs"
    ]


@pytest.mark.parametrize("reduction", ["sum", "sum_over_batch_size", "auto", "SUM"])
def test_weights_multiply_losses_and_do_not_divide_them(reduction: str) -> None:
    head = MultiClassHead(3, "w", loss_reduction=reduction)
    found = losses(head, LABELS3, LOGITS3, {"w": tf.constant(WEIGHTS)})
    plain = losses(MultiClassHead(3), LABELS3, LOGITS3).per_example.numpy()[:, 0]
    total = (plain * WEIGHTS).sum()
    expected = total if reduction.lower() == "sum" else total / 6
    assert float(found.reduced) == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 5), unique=True).map(lambda cut: (*sorted(cut), 6)))
def test_an_evaluation_may_be_cut_anywhere(cuts: tuple[int, ...]) -> None:
    head = BinaryClassHead("w", [0.3])
    whole = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS})
    parts = metrics(head, LABELS2, LOGITS1, {"w": WEIGHTS}, cuts)
    for name in set(whole) - {"loss"}:
        assert parts[name] == pytest.approx(whole[name], rel=1e-9)


def test_a_loss_fn_may_take_the_features() -> None:
    def loss_fn(labels: Any, logits: Any, features: Any, scale: float = 2.0) -> Any:
        return scale * features["a"] + 0 * logits

    column = np.arange(6, dtype=np.float32)[:, np.newaxis]
    head = BinaryClassHead(loss_fn=loss_fn)
    found = losses(head, LABELS2, LOGITS1, {"a": tf.constant(column)})
    assert found.per_example.numpy().tolist() == (2 * column).tolist()


@pytest.mark.parametrize(
    "loss_fn",
    [
        lambda labels: labels,
        lambda labels, logits, weights: labels,
        lambda logits, features=None: logits,
    ],
)
def test_a_loss_fn_of_other_arguments_is_refused(loss_fn: Any) -> None:
    with pytest.raises(ArgumentError, match="loss_fn: expected a function that"):
        RegressionHead(loss_fn=loss_fn)


@pytest.mark.parametrize("reduce", [tf.reduce_mean, lambda loss: loss[:, 0], lambda loss: loss[:5]])
def test_a_loss_fn_that_reduces_is_refused(reduce: Any) -> None:
    head = RegressionHead(loss_fn=lambda labels, logits: reduce(logits - labels))
    with pytest.raises(ArgumentError, match="do not reduce it"):
        losses(head, LABELS2, LOGITS1)


@pytest.mark.parametrize(
    ("make", "message"),
    [  # 2.5 is of a wrong type, on purpose
        (lambda: MultiClassHead(2), "n_classes of MultiClassHead: expected .* >= 3, got 2"),
        (lambda: MultiClassHead(2.5), "n_classes of MultiClassHead: .* got 2.5"),  # type: ignore[arg-type]
        (lambda: MultiClassHead(3, loss_reduction="none"), "loss_reduction: .* got 'none'"),
        (lambda: MultiClassHead(3, weight_column=3), "weight_column: .* got 3"),
    ],
)
def test_arguments_that_are_not_legal_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        make()
