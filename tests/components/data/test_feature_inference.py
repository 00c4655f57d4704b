"""The kind of a feature is guessed from all its values."""

from __future__ import annotations

from typing import Any

import pytest

from components.data.feature_inference import doubts, infer_feature, why_left_out
from components.features.config import AnyFeature
from components.features.ids import IdFeature
from components.features.numeric import NumericFeature
from components.features.observed import Observed, Part
from components.features.vocabulary import VocabularyFeature

NUMBER = NumericFeature(kind="numeric")


def observed(*values: Any, part: Part = "sequence") -> Observed:
    seen = Observed(part)
    for value in values:
        seen.add(value)
    return seen


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        ([[1.5, 2.0], [3.5]], NUMBER),
        ([[1, 2], [3.5]], NUMBER),
        ([[61, 64], [77, 120]], NUMBER),
        ([[-1, 0, 1]], NUMBER),
        ([[0, 0], [0]], NUMBER),
        ([[[1, 2], [3, 4]], [[0.5, 1]]], NumericFeature(kind="numeric", width=2)),
        ([[[1], [2]]], NUMBER),
        ([[0, 1, 2], [3, 1]], IdFeature(kind="id", size=4)),
        ([[1, 2, 3]], IdFeature(kind="id", size=4)),
        ([list(range(100))], IdFeature(kind="id", size=100, embedding_dimension=16)),
        ([["a", "b"], ["c"]], VocabularyFeature(kind="token")),
        ([[1.5, None]], NumericFeature(kind="numeric", missing="previous")),
        ([["a", None]], VocabularyFeature(kind="token", missing="missing")),
        ([[0, 1, 2, None]], IdFeature(kind="id", size=4, missing=3)),
        ([[1, 2, None]], IdFeature(kind="id", size=3, missing=0)),
        ([[1.7e9, 1.7e9 + 1]], NumericFeature(kind="numeric", subtract="first")),
    ],
)
def test_a_sequence_gives_the_feature_that_takes_it(values: list[Any], feature: AnyFeature) -> None:
    assert infer_feature(observed(*values)) == feature


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        ([3.5, 2], NUMBER),
        ([[1, 2], [3, 4]], NumericFeature(kind="numeric", width=2)),
        ([31, 45, 62], NUMBER),
        ([0, 1, 2, 1], IdFeature(kind="id", size=3)),
        (["red", "blue"], VocabularyFeature(kind="categorical")),
    ],
)
def test_a_context_value_gives_the_feature_that_takes_it(
    values: list[Any], feature: AnyFeature
) -> None:
    assert infer_feature(observed(*values, part="context")) == feature


def test_one_row_of_a_wrong_width_does_not_decide_the_width() -> None:
    seen = observed([[1, 2]] * 5, [[1, 2, 3]])
    assert infer_feature(seen) == NumericFeature(kind="numeric", width=2)


def test_many_strings_are_bounded_and_embedded() -> None:
    seen = observed([f"word {number}" for number in range(12_000)])
    expected = VocabularyFeature(kind="token", max_size=10_000, embedding_dimension=64)
    assert infer_feature(seen) == expected


def test_whole_numbers_beyond_what_an_id_may_be_are_numbers() -> None:
    assert infer_feature(observed(list(range(100_001)))) == NUMBER


@pytest.mark.parametrize(
    ("name", "values", "reason"),
    [
        ("label", [[1]], "every row has a field of this name"),
        ("x", [4, 5], "a list of numbers or strings was expected"),
        ("x", [[]], "a list of numbers or strings was expected"),
        ("x", [[True]], "a list of numbers or strings was expected"),
        ("x", [[[]]], "a list of numbers or strings was expected"),
    ],
)
def test_what_no_feature_takes_is_left_out_with_a_reason(
    name: str, values: list[Any], reason: str
) -> None:
    left_out = why_left_out(name, observed(*values), len(values), allowed_fraction=0.0)
    assert left_out is not None
    assert reason in left_out


def test_a_feature_that_rows_lack_is_left_out_unless_they_are_few() -> None:
    seen = observed(*([[1.5]] * 98))
    assert why_left_out("x", seen, 100, allowed_fraction=0.02) is None
    reason = why_left_out("x", seen, 100, allowed_fraction=0.01)
    assert reason == "2 of 100 rows do not have it."


@pytest.mark.parametrize(
    ("values", "feature"),
    [
        ([3.5, 2, 6], NumericFeature(kind="numeric", missing=3.833)),
        ([0, 1, 2, 1], IdFeature(kind="id", size=4, missing=3)),
        (["red", "blue"], VocabularyFeature(kind="categorical", missing="missing")),
    ],
)
def test_what_half_of_the_rows_lack_in_the_context_is_filled(
    values: list[Any], feature: AnyFeature
) -> None:
    seen = observed(*values, part="context")
    seen.absent = 2
    assert infer_feature(seen) == feature
    assert why_left_out("x", seen, len(values) + 2, 0.0) is None
    assert f"is missing in 2 of {len(values) + 2} rows: each is read as" in " ".join(
        doubts(feature, seen)
    )
    seen.absent = 9
    assert why_left_out("x", seen, len(values) + 9, 0.0) is not None


def doubts_of(*values: Any, part: Part = "sequence") -> str:
    seen = observed(*values, part=part)
    feature = infer_feature(seen)
    assert feature is not None
    return " ".join(doubts(feature, seen))


def test_what_is_unusual_about_the_values_is_doubted() -> None:
    assert doubts_of([1.5, 2.5]) == ""
    assert "has the same value in all rows" in doubts_of([1.5, 1.5])
    assert "holds numbers as text (but for 'n/a')" in doubts_of([*map(str, range(9)), "n/a"])
    assert "holds numbers as text" in doubts_of(["80,5", "1,234.5"])
    for time in ("2024-05-01", "1.5.2024", "2024-05-01T10:00:07.5+02:00", "10:07"):
        assert "holds times as text" in doubts_of([time, time.replace("0", "1")])
    names = [f"name {number}" for number in range(30)]
    assert "has another text in nearly every row" in doubts_of(*names, part="context")
    assert "has another text" not in doubts_of(*(names[:10] * 3), part="context")
    assert "has 1 nulls among 2 numbers: each takes the number before" in doubts_of([1.5, None])
    assert "has 1 nulls among 3 numbers: each is read as 0 (missing: 0;" in doubts_of([1, 2, None])
    assert "1 nulls among 2 texts: each is read as 'missing'" in doubts_of(["a", None])
    epoch = doubts_of([1.7e9, 1.7e9 + 1])
    assert "of 1 that differ from the one before, 1 do not then" in epoch
    assert "subtract: first" in epoch
    assert "subtract: NUMBER" in doubts_of(1.7e9, 1.7e9 + 1, part="context")
    assert "holds numbers as text" in doubts_of(["1.5", "2"])
    assert "as text" not in doubts_of(["1.5", "two"])
