"""Strings: their check, types, place and column."""

from __future__ import annotations

from components.features.kind import ValueType
from components.features.vocabulary import VocabularyFeature

TOKEN = VocabularyFeature(kind="token", oov_buckets=3, embedding_dimension=4)
CATEGORY = VocabularyFeature(kind="categorical")


def test_a_string_becomes_an_id() -> None:
    assert (TOKEN.raw, TOKEN.transformed) == (ValueType("string"), ValueType("int64"))
    assert (TOKEN.raw.values_per_step, TOKEN.raw.is_list) == (1, False)


def test_each_part_of_a_row_has_its_own_name_for_strings() -> None:
    assert TOKEN.placement_fault(is_sequence=True) is None
    assert CATEGORY.placement_fault(is_sequence=False) is None
    assert "kind 'token'" in (CATEGORY.placement_fault(is_sequence=True) or "")
    assert "kind 'categorical'" in (TOKEN.placement_fault(is_sequence=False) or "")


def test_the_column_embeds_the_ids_or_makes_them_one_hot() -> None:
    assert TOKEN.column("word", 10, is_sequence=True).dimension == 4
    assert CATEGORY.column("colour", 5, is_sequence=False).variable_shape.as_list()[-1] == 5
