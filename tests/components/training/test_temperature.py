"""The temperature: what it mends, and that it changes no answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special

from components.training.temperature import at_temperature, best_temperature, log_of

CLASSES = 4


def sampled(rows: int, sharpness: float) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Log-probabilities [N, K], and labels drawn by them when their logits are ``sharpness``
    times as large."""
    random = np.random.default_rng(5)
    logits = random.normal(size=(rows, CLASSES))
    true = special.softmax(sharpness * logits, axis=1)
    labels = np.array([random.choice(CLASSES, p=row) for row in true])
    return special.log_softmax(logits, axis=1), labels


@pytest.mark.parametrize("sharpness", [0.25, 1.0, 4.0])
def test_it_is_found_again(sharpness: float) -> None:
    assert best_temperature(*sampled(4_000, sharpness)) == pytest.approx(1 / sharpness, rel=0.1)


def test_few_rows_that_are_all_right_make_nothing_certain() -> None:
    logits = np.log(np.full((40, CLASSES), 0.1) + 0.6 * np.eye(CLASSES)[np.zeros(40, int)])
    labels = np.zeros(40, np.int64)
    temperature = best_temperature(logits, labels)
    assert temperature < 1
    sure = special.softmax(logits[0] / temperature)[0]
    # As sure as 41 of 42 rows let one be.
    assert sure == pytest.approx(41 / 42, abs=1e-3)


@pytest.mark.parametrize("shape", [(0, 3), (5, 1)])
def test_without_anything_to_learn_from_it_is_one(shape: tuple[int, int]) -> None:
    assert best_temperature(np.zeros(shape), np.zeros(shape[0], np.int64)) == 1.0


@given(
    st.lists(st.floats(0.001, 1), min_size=2, max_size=5).filter(
        lambda values: np.diff(sorted(values)).min() > 1e-3
    ),
    st.floats(0.1, 10),
)
def test_the_order_of_the_labels_stays(values: list[float], temperature: float) -> None:
    probabilities = np.array([values], np.float32) / sum(values)
    scaled = np.asarray(at_temperature(probabilities, temperature))
    assert scaled.sum() == pytest.approx(1, abs=1e-5)
    assert scaled.argmax() == probabilities.argmax()


def test_at_one_nothing_is_computed() -> None:
    probabilities = np.array([[0.2, 0.8]], np.float32)
    assert at_temperature(probabilities, 1.0) is probabilities


def test_a_probability_that_underflowed_is_no_infinity() -> None:
    assert np.isfinite(log_of(np.array([0.0, 1.0], np.float32))).all()
    scaled = np.asarray(at_temperature(np.array([[0.0, 1.0]], np.float32), 0.5))
    np.testing.assert_allclose(scaled, [[0, 1]])
