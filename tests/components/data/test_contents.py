"""Contents of rows in two splits, held against a search of all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.values import SPLITS, Split
from components.data.contents import (
    Contents,
    RepeatedContents,
    find_repeated,
    merge_repeated,
)
from components.data.row_parsing import Row
from components.data.statistics import new_profile, read_statistics, write_statistics
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})


def row(row_id: str, values: Any, label: str = "a") -> Row:
    numbers = np.array(values, np.float32)
    return Row(row_id, (label,), len(numbers), {"x": numbers})


def found_in(*chunks: list[tuple[Split, Row]], parts: int = 3) -> RepeatedContents:
    grouped: dict[int, list[bytes]] = {}
    for chunk in chunks:
        contents = Contents(parts)
        for split, one in chunk:
            contents.add(split, one)
        for part, packed in contents.parts():
            grouped.setdefault(part, []).append(packed)
    return merge_repeated(map(find_repeated, grouped.items()))


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

    train: list[tuple[Split, Row]] = [("train", words("1", b"ab", b"c"))]
    assert not found_in(train, [("test", words("2", b"a", b"bc"))]).rows
    assert found_in(train, [("test", words("2", b"ab", b"c"))]).rows == {"test": 1}
    shorter = Row("3", ("a",), 1, {"x": np.zeros(2, np.float32)})
    longer = Row("4", ("a",), 2, {"x": np.zeros(2, np.float32)})
    assert not found_in([("train", shorter)], [("test", longer)]).rows
