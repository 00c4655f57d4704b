"""The cheap models: each learns what is there to learn, and says how sure it is."""

from __future__ import annotations

import numpy as np
import pytest

from components.baseline.inputs import Inputs
from components.baseline.models import BASELINES, Baseline

_RANDOM = np.random.default_rng(3)
_ROWS = 80


def rows(*, with_tokens: bool) -> Inputs:
    """The label is in the numbers, or in the tokens alone."""
    is_yes = np.arange(_ROWS) % 2
    numbers = _RANDOM.normal(size=(_ROWS, 4))
    tokens: list[list[str]] = [[] for _ in range(_ROWS)]
    if with_tokens:
        tokens = [["x=1", "x=2", f"x=1,{2 + yes}"] for yes in is_yes.tolist()]
    else:
        numbers[:, 2] += 4 * is_yes
    labels = [("yes",) if yes else ("no",) for yes in is_yes.tolist()]
    return Inputs(tuple(f"r{i}" for i in range(_ROWS)), labels, numbers, tuple(tokens))


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda each: each.key)
def test_each_learns_from_numbers(baseline: Baseline) -> None:
    inputs = rows(with_tokens=False)
    model = baseline.fit(inputs)
    probabilities = model.probabilities(inputs)
    assert model.classes == ("no", "yes")
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    answers = np.array(model.classes)[probabilities.argmax(axis=1)]
    assert np.mean(answers == inputs.labels) > 0.95


def test_the_regression_learns_from_pairs_of_tokens() -> None:
    inputs = rows(with_tokens=True)
    model = BASELINES[1].fit(inputs)
    answers = np.array(model.classes)[model.probabilities(inputs).argmax(axis=1)]
    assert (answers == inputs.labels).all()


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda each: each.key)
def test_the_same_rows_make_the_same_model(baseline: Baseline) -> None:
    inputs = rows(with_tokens=False)
    first, second = (baseline.fit(inputs).probabilities(inputs) for _ in range(2))
    np.testing.assert_array_equal(first, second)
