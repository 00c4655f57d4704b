"""Counts and fractions: what 2.15 does not show. Its numbers are compared in ``test_base``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from rnn_core import LabelError, LogisticRegressionHead, PoissonRegressionHead
from tests.rnn_core.heads.samples import LOGITS1, losses

LOGITS = np.array([[0.0], [1.0], [-1.0]], np.float32)


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        (PoissonRegressionHead(), [0.0, 2.0, -1.0], r"negative, or no numbers.*\[-1"),
        (PoissonRegressionHead(), [0.0, float("nan"), 1.0], r"negative, or no numbers.*\[nan"),
        (PoissonRegressionHead(), ["a", "b", "c"], "labels that are numbers, got string"),
        (LogisticRegressionHead(), [0.0, 0.5, 1.5], r"outside of \[0, 1\].*\[1.5"),
        (LogisticRegressionHead(), [0, 2, 1], r"outside of \[0, 1\].*\[2"),
    ],
)
def test_labels_out_of_range_are_shown(head: Any, labels: Any, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        losses(head, labels, LOGITS)


def test_the_loss_of_a_count_is_least_at_its_logarithm() -> None:
    head = PoissonRegressionHead(compute_full_loss=False)
    logits = tf.constant([[2.9], [3.0], [3.1]])
    found = losses(head, np.full([3], np.exp(3.0), np.float32), logits).per_example.numpy()[:, 0]
    assert found.argmin() == 1
    assert found[1] == pytest.approx(np.exp(3) * (1 - 3), rel=1e-5)


def test_predictions_are_means() -> None:
    counts = PoissonRegressionHead().predictions(tf.constant(LOGITS1))
    np.testing.assert_allclose(counts["predictions"], np.exp(LOGITS1), rtol=1e-6)
    fractions = LogisticRegressionHead().predictions(tf.constant(LOGITS1))
    np.testing.assert_allclose(fractions["predictions"], 1 / (1 + np.exp(-LOGITS1)), rtol=1e-6)
