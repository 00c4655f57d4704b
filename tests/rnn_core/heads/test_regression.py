"""Numbers."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from sklearn.metrics import mean_squared_error

from rnn_core import ArgumentError, RegressionHead
from tests.rnn_core.heads.samples import LOGITS1, LOGITS3, WEIGHTS, losses, metrics


def test_the_loss_is_the_squared_error_of_every_number() -> None:
    labels = LOGITS3[::-1].copy()
    found = metrics(RegressionHead(3), labels, LOGITS3)
    assert found["average_loss"] == pytest.approx(mean_squared_error(labels, LOGITS3), rel=1e-6)
    assert found["label/mean"] == pytest.approx(labels.mean(), rel=1e-6)
    assert found["prediction/mean"] == pytest.approx(LOGITS3.mean(), rel=1e-6)


def test_one_number_needs_no_column() -> None:
    flat, column = (
        losses(RegressionHead(), labels, LOGITS1) for labels in (WEIGHTS, WEIGHTS[:, None])
    )
    assert float(flat.reduced) == float(column.reduced) > 0


def test_a_link_changes_predictions_and_their_mean_but_not_the_loss() -> None:
    linked = RegressionHead(inverse_link_fn=tf.exp)
    predicted = linked.predictions(tf.constant(LOGITS1))
    assert sorted(predicted) == ["logits", "predictions"]
    np.testing.assert_allclose(predicted["predictions"], np.exp(LOGITS1), rtol=1e-6)
    found, plain = (metrics(head, WEIGHTS, LOGITS1) for head in (linked, RegressionHead()))
    assert found["loss"] == plain["loss"]
    assert found["prediction/mean"] == pytest.approx(np.exp(LOGITS1).mean(), rel=1e-6)


@pytest.mark.parametrize("size", [0, 1.5])
def test_a_size_that_is_none_is_refused(size: float) -> None:
    with pytest.raises(ArgumentError, match="label_dimension: expected a whole number >= 1"):
        RegressionHead(size)  # type: ignore[arg-type]  # 1.5 is no size
