"""Strings by their hash: their types and their column."""

from __future__ import annotations

from components.features.hashed import HashedFeature
from components.features.kind import ValueType

USER = HashedFeature(kind="hashed", buckets=50, embedding_dimension=4, missing="nobody")


def test_a_string_becomes_one_of_so_many_ids_in_either_part() -> None:
    assert (USER.raw, USER.transformed) == (ValueType("string"), ValueType("int64"))
    assert USER.id_count("user", None) == 50
    assert [USER.placement_fault(is_sequence=each) for each in (True, False)] == [None, None]
    assert USER.filled_with == "nobody"


def test_the_column_embeds_the_ids_or_makes_them_one_hot() -> None:
    assert USER.column("user", 50, is_sequence=False).dimension == 4
    plain = HashedFeature(kind="hashed", buckets=5)
    assert plain.column("user", 5, is_sequence=True).variable_shape.as_list()[-1] == 5
