"""Statistics come out the same however the rows were parted and merged."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from components.config import DataConfig
from components.data.repeats import NONE_REPEATED
from components.data.row_parsing import InvalidRow, Row
from components.data.splits.by_id import SplitFractions, SplitRule
from components.data.statistics import (
    Moments,
    Profile,
    new_profile,
    rare_labels,
    read_statistics,
    summary,
    write_statistics,
)
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import Prepared

FEATURES = FeaturesConfig(
    {"x": NumericFeature(kind="numeric", width=2)}, {"c": NumericFeature(kind="numeric")}
)
STEPS = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.just(2)),
    elements=st.floats(-1000, 1000, width=32),
)


def row(values: np.ndarray, label: str = "a") -> Row:
    context = np.array([[len(values)]], np.float32)
    return Row("any", (label,), len(values), {"x": values, "c": context})


def profile_of(rows: list[np.ndarray]) -> Profile:
    profile = new_profile(FEATURES)
    for values in rows:
        profile.add("train", row(values))
    return profile


@pytest.mark.slow
@given(st.lists(STEPS, min_size=1, max_size=6))
def test_merged_moments_are_those_of_all_steps_together(rows: list[np.ndarray]) -> None:
    moments = Moments.of(rows[0])
    for steps in rows[1:]:
        moments.merge(Moments.of(steps))
    every = np.concatenate(rows).astype(np.float64)
    found = moments.summary()
    assert found["count"] == len(every)
    np.testing.assert_allclose(found["mean"], every.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found["standard_deviation"], every.std(axis=0), atol=1e-6)
    np.testing.assert_array_equal(found["minimum"], every.min(axis=0))
    np.testing.assert_array_equal(found["maximum"], every.max(axis=0))


@pytest.mark.slow
@given(st.lists(STEPS, max_size=5), st.lists(STEPS, max_size=5))
def test_merged_profiles_count_the_rows_of_both(
    first: list[np.ndarray], second: list[np.ndarray]
) -> None:
    merged = profile_of(first)
    merged.merge(profile_of(second))
    whole = profile_of(first + second)
    assert merged.valid_count == whole.valid_count == len(first) + len(second)
    assert merged.splits["train"].lengths == whole.splits["train"].lengths
    assert merged.splits["train"].labels == whole.splits["train"].labels


@given(st.lists(STEPS, min_size=1, max_size=3))
def test_merging_leaves_the_other_profile_as_it_was(rows: list[np.ndarray]) -> None:
    other = profile_of(rows)
    before = copy.deepcopy(summary(other, {}))
    merged = new_profile(FEATURES)
    for part in (other, other):
        merged.merge(part)
    assert summary(other, {}) == before


def test_the_first_row_of_a_cause_is_the_first_in_the_file() -> None:
    profile = new_profile(FEATURES)
    for line in (30, 4, 12):
        profile.add_invalid(InvalidRow("x is missing", missing="x"), "folder/rows.jsonl", line)
    profile.add_invalid(InvalidRow("invalid JSON", "at column 3"), "folder/rows.jsonl", 1)
    assert summary(profile, {})["bad_rows"] == {
        "count": 4,
        "of": 4,
        "problems": [
            {"problem": "x is missing", "count": 3, "first": "rows.jsonl:4"},
            {"problem": "invalid JSON", "count": 1, "first": "rows.jsonl:1"},
        ],
    }
    assert summary(profile, {})["missing_values"] == {"x": 3}


def test_lengths_are_the_least_the_median_and_the_greatest() -> None:
    profile = profile_of([np.zeros((steps, 2), np.float32) for steps in (3, 1, 1, 8)])
    lengths = summary(profile, {})["lengths"]
    assert lengths["train"] == {"min": 1, "median": 2.0, "max": 8}
    assert lengths["test"] == {}


def test_a_context_feature_counts_once_a_row() -> None:
    moments = summary(profile_of([np.zeros((4, 2), np.float32)] * 3), {})["moments"]["train"]
    assert (moments["x"]["count"], moments["c"]["count"]) == (12, 3)


def test_rare_labels_are_listed_with_their_rows_and_how_many_were_left_out() -> None:
    rule = SplitRule(
        SplitFractions(0.2, 0.1), classes={"new": None, "few": "other"}, rare={"few": 2, "new": 1}
    )
    assert rare_labels(rule, DataConfig(train="rows.jsonl", rare_labels="other")) == {
        "rare_labels": "other",
        "min_label_rows": 3,
        "rows": {"few": 2, "new": 1},
        "left_out": 1,
    }


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    steps = np.random.default_rng(1).normal(size=(5, 2)).astype(np.float32)
    contents = set()
    for name in ("one", "two"):
        write_statistics(
            profile_of([steps, -steps]), {"word": 4}, tmp_path / name, {}, NONE_REPEATED
        )
        contents.add((tmp_path / name / "statistics.json").read_bytes())
    assert len(contents) == 1


def test_the_file_of_the_vowels_says_what_the_data_set_is_known_for(vowels: Prepared) -> None:
    statistics = read_statistics(vowels.path)
    counts = statistics["rows"]
    assert counts["train"] + counts["validation"] == 270
    assert counts["test"] == 370
    assert statistics["labels"]["test"]["3"] == 88
    assert statistics["lengths"]["test"]["max"] == 29
    assert statistics["bad_rows"] == {"count": 0, "of": 640, "problems": []}
    assert statistics["moments"]["test"]["coefficients"]["count"] == sum(
        len(row["sequence"]["coefficients"]) for row in vowels.rows if row["id"].startswith("test")
    )
    deviation = statistics["moments"]["train"]["coefficients"]["standard_deviation"]
    assert len(deviation) == 12
    assert min(deviation) > 0.01
    assert deviation[0] == pytest.approx(0.4, abs=0.4)


def test_labels_of_steps_are_counted_by_step() -> None:
    values = np.zeros((3, 1), np.float32)
    profile = new_profile(FEATURES)
    profile.add("train", replace(row(values), labels=("a", "b", "a")))
    assert profile.splits["train"].labels == {"a": 2, "b": 1}
    assert profile.splits["train"].rows == 1
