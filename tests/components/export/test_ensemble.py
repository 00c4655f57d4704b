"""Several networks that answer as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from components.export.ensemble import Ensemble


def _network(logits: NDArray[np.float32]) -> Callable[[dict[str, Any]], dict[str, tf.Tensor]]:
    two = logits.shape[-1] == 1
    found = np.concatenate([np.zeros_like(logits), logits], -1) if two else logits
    probabilities = special.softmax(found.astype(np.float64), axis=-1).astype(np.float32)
    return lambda features: {
        "logits": tf.constant(logits),
        "probabilities": tf.constant(probabilities),
        "sequence_mask": features["mask"],
    }


@pytest.mark.parametrize("shape", [(2, 3), (2, 1), (2, 4, 3), (2, 4, 1)])
@given(seed=st.integers(0, 1_000), networks=st.integers(1, 4))
def test_the_mean_of_the_probabilities_and_the_logits_that_give_it(
    shape: tuple[int, ...], seed: int, networks: int
) -> None:
    random = np.random.default_rng(seed)
    parts = [_network(random.normal(0, 3, shape).astype(np.float32)) for _ in range(networks)]
    mask = tf.constant([True])
    found = {name: value.numpy() for name, value in Ensemble(parts)({"mask": mask}).items()}
    each = [part({"mask": mask})["probabilities"].numpy() for part in parts]
    np.testing.assert_allclose(found["probabilities"], np.mean(each, axis=0), atol=1e-6)
    logits = found["logits"]
    assert logits.shape == shape
    whole = np.concatenate([np.zeros_like(logits), logits], -1) if shape[-1] == 1 else logits
    np.testing.assert_allclose(special.softmax(whole, axis=-1), found["probabilities"], atol=1e-5)
    assert found["sequence_mask"].tolist() == [True]


def test_a_network_that_is_sure_leaves_finite_logits() -> None:
    sure = _network(np.array([[200.0, -200.0, 0.0]], np.float32))
    assert np.isfinite(Ensemble([sure, sure])({"mask": tf.constant(True)})["logits"]).all()
