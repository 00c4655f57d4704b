"""Ids that occur twice and contents in two splits, held against a search of all pairs."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.values import SPLITS, Split
from components.data.passes.matching import (
    Keys,
    Matches,
    Part,
    RowKeys,
    find_matches,
    merge_matches,
)
from components.data.passes.typed_rows import TypedRows
from components.data.repeats import SHOWN_IDS, Occurrence, RepeatedContents
from components.data.row_parsing import Row
from components.data.statistics import new_profile, read_statistics, write_statistics
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.features.vocabulary import VocabularyFeature

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})


def row(row_id: str, values: Any, label: str = "a") -> Row:
    numbers = np.array(values, np.float32)
    return Row(row_id, (label,), len(numbers), {"x": numbers})


def matches_of(
    *chunks: list[tuple[Split, Row]], parts: int = 1, features: FeaturesConfig = FEATURES
) -> Matches:
    """What is found among the rows of some chunks, which are written as the first pass does."""
    with tempfile.TemporaryDirectory() as directory:
        grouped: dict[Part, list[Keys]] = {}
        for index, chunk in enumerate(chunks):
            rows = TypedRows(directory, index)
            rows.write([(10 + at, one) for at, (_, one) in enumerate(chunk)], features)
            keys = RowKeys(rows, f"file-{index}")
            for split, one in chunk:
                keys.add(one, split, one.labels or ())
            for part, each in keys.write(64 * parts):
                grouped.setdefault(part, []).append(each)
        return merge_matches(find_matches(part, keys) for part, keys in grouped.items())


def found_in(*chunks: list[tuple[Split, Row]], parts: int = 3) -> RepeatedContents:
    return matches_of(*chunks, parts=parts).repeated


@given(st.lists(st.tuples(st.sampled_from(SPLITS), st.integers(0, 6)), max_size=25),
       st.integers(0, 25))  # fmt: skip
def test_every_id_that_occurs_twice_is_found(drawn: list[tuple[Split, int]], cut: int) -> None:
    rows = [(split, row(f"{number}", [place])) for place, (split, number) in enumerate(drawn)]
    found = matches_of(rows[:cut], rows[cut:], parts=3).duplicates
    splits: dict[str, set[Split]] = {}
    for split, one in rows:
        splits.setdefault(one.id, set()).add(split)
    counts = Counter(one.id for _, one in rows)
    repeated = {row_id for row_id, count in counts.items() if count > 1}
    assert found.count == len(repeated)
    assert found.in_two_splits == sum(len(splits[row_id]) > 1 for row_id in repeated)
    assert {example.id for example in found.examples} <= repeated
    for example in found.examples:
        assert example.rows == counts[example.id]
        expected = [
            Occurrence(f"file-{int(place >= cut)}", 10 + place - cut * (place >= cut))
            for place, (_, one) in enumerate(rows)
            if one.id == example.id
        ]
        assert example.first == tuple(expected[:SHOWN_IDS])


ROWS = st.lists(
    st.tuples(st.sampled_from(SPLITS), st.integers(0, 3), st.sampled_from("ab")), max_size=25
)


@given(ROWS, st.integers(0, 25))
def test_every_row_that_a_split_before_has_is_counted(
    drawn: list[tuple[Split, int, str]], cut: int
) -> None:
    rows = [
        (split, row(f"{i:02}", [value], label)) for i, (split, value, label) in enumerate(drawn)
    ]
    counts: dict[Split, int] = {}
    relabelled = 0
    for split, value, label in drawn:
        before = [
            other
            for at, same, other in drawn
            if same == value and SPLITS.index(at) < SPLITS.index(split)
        ]
        if before:
            counts[split] = counts.get(split, 0) + 1
            relabelled += label not in before
    found = found_in(rows[:cut], rows[cut:])
    assert (found.rows, found.relabelled) == (counts, relabelled)
    assert found == found_in(list(reversed(rows)), parts=1)
    assert bool(found.told()) == bool(counts)


def test_what_was_found_is_written_with_the_statistics(tmp_path: Path) -> None:
    found = found_in([("train", row("a", [1])), ("test", row("b", [1], "b"))])
    write_statistics(new_profile(FEATURES), {}, tmp_path, {}, found)
    assert read_statistics(tmp_path)["repeated_content"] == {
        "rows": {"test": 1},
        "relabelled": 1,
        "examples": [["b", "test", "a", "train"]],
        "told": found.told(),
    }


def test_what_is_told_names_two_pairs_and_the_rows_of_each_split() -> None:
    train: list[tuple[Split, Row]] = [("train", row(f"t{i}", [i])) for i in range(4)]
    others: list[tuple[Split, Row]] = [
        ("test", row("c", [2])), ("test", row("b", [1], "other")), ("validation", row("a", [0])),
    ]  # fmt: skip
    assert found_in(train, others).told() == (
        "2 test and 1 validation rows have the content of a row in another split, as "
        "'a' (validation) and 't0' (train); 'b' (test) and 't1' (train); "
        "1 of them with another label"
    )
    assert RepeatedContents().told() == ""


def test_strings_are_told_apart_by_where_they_end() -> None:
    def words(row_id: str, *values: bytes) -> Row:
        return Row(row_id, ("a",), 2, {"word": list(values)})

    tokens = FeaturesConfig({"word": VocabularyFeature(kind="token")})
    train: list[tuple[Split, Row]] = [("train", words("1", b"ab", b"c"))]
    others: list[tuple[Split, Row]] = [("test", words("2", b"a", b"bc"))]
    assert not matches_of(train, others, features=tokens).repeated.rows
    again: list[tuple[Split, Row]] = [("test", words("2", b"ab", b"c"))]
    assert matches_of(train, again, features=tokens).repeated.rows == {"test": 1}
    shorter = Row("3", ("a",), 1, {"x": np.zeros(2, np.float32)})
    longer = Row("4", ("a",), 2, {"x": np.zeros(2, np.float32)})
    assert not found_in([("train", shorter)], [("test", longer)]).rows
