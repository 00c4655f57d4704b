"""Numbers by their quantile: their types, limits and column."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from components.features.bucketized import BucketizedFeature
from components.features.kind import ValueType

AMOUNT = BucketizedFeature(kind="bucketized", buckets=10, embedding_dimension=4, missing="previous")


def test_a_number_becomes_one_of_so_many_ids() -> None:
    assert (AMOUNT.raw, AMOUNT.transformed) == (ValueType("float32", (1,)), ValueType("int64"))
    assert AMOUNT.id_count("amount", None) == 10
    assert AMOUNT.filled_with == "previous"


def test_the_number_before_is_for_a_sequence() -> None:
    assert AMOUNT.placement_fault(is_sequence=True) is None
    assert "give a number" in (AMOUNT.placement_fault(is_sequence=False) or "")


def test_the_column_embeds_the_ids() -> None:
    assert AMOUNT.column("amount", 10, is_sequence=True).dimension == 4


@pytest.mark.parametrize("buckets", [1, 10_001])
def test_there_are_two_buckets_or_more(buckets: int) -> None:
    with pytest.raises(ValidationError):
        BucketizedFeature(kind="bucketized", buckets=buckets)
