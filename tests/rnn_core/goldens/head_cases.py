"""Heads with two batches each, as both TensorFlow 2.15 and rnn_core construct them.

Arguments are given by position wherever there are several, so that their order is compared too.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

LOGITS3 = np.array(
    [
        [0.5, -1, 0.25],
        [1.5, 0, -0.5],
        [-2, 0.75, 1],
        [0.1, 0.2, 0.3],
        [-0.6, 0.4, 0],
        [2, -3, 0],
    ],
    np.float32,
)
LOGITS1 = np.array([[-0.5], [1], [0], [2], [-0.25], [1e-9]], np.float32)
"""0 and 1e-9 lie on both sides of a decision that float32 rounds away in the probability."""
WEIGHTS = np.array([1, 2, 0.5, 1, 3, 0.25], np.float32)
CUTS = ((0, 4), (4, 6))

IDS, BITS = np.array([0, 1, 2, 2, 1, 0]), np.array([0, 1, 1, 0, 1, 1])
SOFT = np.array([0, 0.2, 1, 0.5, 0.9, 0], np.float32)
WORDS = ["x", "y", "z"]
NAMES = np.array(WORDS)
MANY = np.array([[1, 0, 1], [0, 1, 0], [1, 1, 1], [0, 0, 0], [0, 1, 1], [1, 0, 0]])
MANY_NAMES = [["x", "z"], ["y"], ["x", "y", "z"], [], ["y", "z"], ["x"]]
NUMBERS = np.array(
    [[1, 0, 2], [0.5, 0.5, 0.5], [-1, 1, 0], [0, 0, 0], [2, -1, 1], [0.3, 0.1, -0.2]], np.float32
)


class Case(NamedTuple):
    """A head of ``tf.estimator`` and ``rnn_core``, and what it is measured on."""

    kind: str
    arguments: tuple[Any, ...]
    labels: Any
    logits: Any
    weights: Any = None

    def batches(self) -> list[tuple[dict[str, Any], Any, Any]]:
        """Features, labels and logits."""
        return [
            (
                {} if self.weights is None else {"w": tf.constant(self.weights[start:end])},
                self._labels(start, end),
                tf.constant(self.logits[start:end]),
            )
            for start, end in CUTS
        ]

    def _labels(self, start: int, end: int) -> Any:
        if isinstance(self.labels, list):
            return tf.ragged.constant(self.labels[start:end]).to_sparse()
        return tf.constant(self.labels[start:end])


def distance(labels: Any, logits: Any) -> Any:
    """A loss of one number an example."""
    return tf.abs(tf.cast(labels[:, :1], tf.float32) - logits[:, :1])


def distances(labels: Any, logits: Any) -> Any:
    """A loss of each number."""
    return tf.abs(labels - logits)


def doubled(key: str) -> Any:
    return tf.feature_column.numeric_column(key, normalizer_fn=lambda value: value * 2)


CASES = {
    "binary": Case("BinaryClassHead", (), BITS, LOGITS1),
    "binary soft": Case("BinaryClassHead", ("w", [0.25, 0.5]), SOFT, LOGITS1, WEIGHTS),
    "binary named": Case(
        "BinaryClassHead", ("w", [0.9], ["x", "y"], "sum", None, "h"), NAMES[BITS], LOGITS1, WEIGHTS
    ),
    "binary loss_fn": Case(
        "BinaryClassHead", ("w", None, None, "auto", distance), BITS, LOGITS1, WEIGHTS
    ),
    "binary without weight": Case("BinaryClassHead", ("w", [0.5]), BITS, LOGITS1, WEIGHTS * 0),
    "classes": Case("MultiClassHead", (3,), IDS, LOGITS3),
    "classes named": Case(
        "MultiClassHead", (3, "w", WORDS, "sum", None, "h"), NAMES[IDS], LOGITS3, WEIGHTS
    ),
    "classes loss_fn": Case(
        "MultiClassHead", (3, "w", None, "auto", distance), IDS, LOGITS3, WEIGHTS
    ),
    "labels": Case("MultiLabelHead", (3,), MANY, LOGITS3),
    "labels named": Case(
        "MultiLabelHead",
        (3, "w", [0.5, 0.6], None, "sum", None, [0, 2], "h"),
        MANY,
        LOGITS3,
        WEIGHTS,
    ),
    "labels words": Case(
        "MultiLabelHead",
        (3, "w", None, WORDS, "sum_over_batch_size", None, ["y"]),
        MANY_NAMES,
        LOGITS3,
        WEIGHTS,
    ),
    "labels loss_fn": Case(
        "MultiLabelHead", (3, "w", None, None, "sum", distance), MANY, LOGITS3, WEIGHTS
    ),
    "numbers": Case("RegressionHead", (3,), NUMBERS, LOGITS3),
    "numbers link": Case(
        "RegressionHead", (1, "w", "sum", None, tf.exp, "h"), SOFT, LOGITS1, WEIGHTS
    ),
    "counts": Case("PoissonRegressionHead", (3,), np.abs(np.round(NUMBERS * 4)), LOGITS3),
    "counts named": Case(
        "PoissonRegressionHead", (1, "w", "sum", False, "h"), IDS, LOGITS1, WEIGHTS
    ),
    "fractions": Case("LogisticRegressionHead", (), SOFT, LOGITS1),
    "fractions named": Case("LogisticRegressionHead", ("w", "sum", "h"), SOFT, LOGITS1, WEIGHTS),
    "numbers normalized weight": Case(
        "RegressionHead", (3, doubled("w")), NUMBERS, LOGITS3, WEIGHTS
    ),
    "numbers own weights": Case(
        "RegressionHead",
        (3, tf.feature_column.numeric_column("w", (3,)), "sum", distances),
        NUMBERS,
        LOGITS3,
        WEIGHTS[:, np.newaxis] * np.array([1, 2, 3], np.float32),
    ),
}
