"""Logits and labels, and what a head makes of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from rnn_core.graph.runtime_checks import named_errors

RANDOM = np.random.default_rng(1)
LOGITS3 = RANDOM.normal(size=(6, 3)).astype(np.float32)
LABELS3 = np.array([0, 1, 2, 2, 1, 0])
LOGITS1 = RANDOM.normal(size=(6, 1)).astype(np.float32)
LABELS2 = np.array([0, 1, 1, 0, 1, 1])
WEIGHTS = np.array([1, 2, 0.5, 1, 3, 0], np.float32)
WORDS = ["x", "y", "z"]


def losses(head: Any, labels: Any, logits: Any, features: Any = None) -> Any:
    """As in a training: inside of a graph."""
    given = labels if isinstance(labels, tf.RaggedTensor) else tf.constant(labels)
    run = tf.function(lambda: head.losses(features or {}, given, logits), autograph=False)
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
    return numbers(head.metrics(total))


def numbers(metrics: Any) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items()}
