"""Statistics of a sequence, as anyone would compute them."""

from __future__ import annotations

import numpy as np

from components.baseline.statistics import statistics_of


def test_they_are_those_of_each_number() -> None:
    steps = np.array([[1.0, 5.0], [3.0, 5.0], [2.0, 5.0], [6.0, 5.0]])
    found = statistics_of(steps).reshape(14, 2)
    np.testing.assert_allclose(found[:6, 0], [3, steps[:, 0].std(), 1, 6, 1, 6])
    np.testing.assert_allclose(
        found[6:11, 0], np.quantile(steps[:, 0], [0.05, 0.25, 0.5, 0.75, 0.95])
    )
    # Changes of 2, -1 and 4; the mean is crossed once, before the last step.
    expected = np.array([7 / 3, np.array([2.0, -1.0, 4.0]).std(), 1 / 4])
    np.testing.assert_allclose(found[11:, 0], expected)
    assert found[[1, 11, 12, 13], 1].tolist() == [0, 0, 0, 0]


def test_a_row_without_steps_has_zeros_and_one_of_one_step_no_changes() -> None:
    assert not statistics_of(np.empty((0, 3))).any()
    assert statistics_of(np.array([[2.0]])).tolist() == [2, 0, 2, 2, 2, 2, *[2] * 5, 0, 0, 0]
