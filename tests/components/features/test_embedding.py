"""The size of an embedding follows from the number of ids."""

from __future__ import annotations

import pytest

from components.features.embedding import proposed_dimension


@pytest.mark.parametrize(
    ("ids", "dimension"), [(2, None), (16, None), (17, 8), (100, 16), (1000, 32), (100_000, 64)]
)
def test_a_dimension_is_a_power_of_two_and_bounded(ids: int, dimension: int | None) -> None:
    assert proposed_dimension(ids) == dimension
