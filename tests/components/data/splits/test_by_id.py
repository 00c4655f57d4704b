"""The id of a row decides its split, always in the same way."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts.values import Split
from components.config import DataConfig
from components.data.row_parsing import InvalidRow, Row, RowFormat
from components.data.sources.formats import source_of
from components.data.splits.by_id import (
    ALL_TRAIN,
    SplitFractions,
    SplitRule,
    cuts_of,
    hash_of_id,
    position,
    read_split_rows,
    shard_of,
    split_fractions,
    split_of,
)
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import WriteRows

IDS = st.text(min_size=1)
FRACTIONS = SplitFractions(test=0.2, validation=0.15)
KNOWN_SPLITS = ["validation", "test", "validation", "train", "test", "train", "train", "validation"]
KNOWN_SHARDS = [3, 0, 0, 1, 0, 3, 0, 3]


@given(IDS)
def test_a_position_lies_in_the_half_open_unit_interval(row_id: str) -> None:
    assert 0.0 <= position(row_id) < 1.0


def test_the_largest_hash_is_still_below_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.data.splits.by_id.hash_of_id", lambda row_id: b"\xff" * 32)
    assert position("any") < 1.0


@given(st.lists(IDS, unique=True, max_size=20), st.randoms())
def test_a_row_keeps_its_split_when_rows_are_added_or_reordered(
    ids: list[str], random: Random
) -> None:
    before = {row_id: split_of(row_id, FRACTIONS) for row_id in ids}
    more = [*ids, *(f"new {row_id}" for row_id in ids)]
    random.shuffle(more)
    after = {row_id: split_of(row_id, FRACTIONS) for row_id in more}
    assert before == {row_id: after[row_id] for row_id in ids}


def test_the_splits_of_known_ids_never_change() -> None:
    # Written down once: a change here would move rows of every user between splits.
    assert [split_of(f"row-{number}", FRACTIONS) for number in range(8)] == KNOWN_SPLITS
    assert [shard_of(hash_of_id(f"row-{number}"), 4) for number in range(8)] == KNOWN_SHARDS


def test_the_shares_of_many_ids_are_those_that_were_asked_for() -> None:
    splits = [split_of(str(number), FRACTIONS) for number in range(20_000)]
    assert splits.count("test") / 20_000 == pytest.approx(0.2, abs=0.015)
    assert splits.count("validation") / 20_000 == pytest.approx(0.15, abs=0.015)


@given(IDS)
def test_a_smaller_share_only_takes_from_the_split(row_id: str) -> None:
    if split_of(row_id, SplitFractions(test=0.1, validation=0.0)) == "test":
        assert split_of(row_id, SplitFractions(test=0.2, validation=0.0)) == "test"


@given(IDS, st.integers(1, 100))
def test_a_shard_is_one_of_those_there_are(row_id: str, shards: int) -> None:
    assert 0 <= shard_of(hash_of_id(row_id), shards) < shards


def test_a_shard_does_not_depend_on_the_bits_that_choose_the_split() -> None:
    of_test = [str(number) for number in range(2_000) if position(str(number)) < 0.2]
    shares = [
        sum(shard_of(hash_of_id(row_id), 2) == shard for row_id in of_test) for shard in (0, 1)
    ]
    assert min(shares) / len(of_test) > 0.4


def test_a_split_with_a_file_of_its_own_takes_no_share_of_the_training_file() -> None:
    both = DataConfig(train="a", validation="b", test="c")
    assert split_fractions(both) == SplitFractions(test=0.0, validation=0.0)
    only_test = DataConfig(train="a", test="c", validation_fraction=0.3)
    assert split_fractions(only_test) == SplitFractions(test=0.0, validation=0.3)


LINE = '{"id": "a", "label": "b", "sequence": {"x": [1]}}'
FORM = RowFormat.of(FeaturesConfig({"x": NumericFeature(kind="numeric")}), max_steps=10)
TRAIN_RULE = SplitRule(SplitFractions(test=0.0, validation=0.0))


ROWS = st.lists(IDS, unique=True, min_size=3, max_size=80)
BOTH = st.sampled_from([FRACTIONS, SplitFractions(0.05, 0.02), SplitFractions(0.0, 0.4),
                        SplitFractions(0.45, 0.45)])  # fmt: skip


def shares_of(fractions: SplitFractions) -> dict[Split, float]:
    test, validation = fractions.test, fractions.validation
    return {"test": test, "validation": validation, "train": 1 - test - validation}


def splits_of(ids: list[str], fractions: SplitFractions) -> dict[str, Split]:
    """As if the rows were all those of one class."""
    rule = SplitRule(fractions, {"a": cuts_of([position(row_id) for row_id in ids], fractions)})
    return {row_id: rule.split_of(row_id, "a") for row_id in ids}


@given(ROWS, BOTH)
def test_every_split_has_a_third_of_its_share_of_a_class_and_at_least_one_row(
    ids: list[str], fractions: SplitFractions
) -> None:
    found = Counter(splits_of(ids, fractions).values())
    for split, share in shares_of(fractions).items():
        assert found[split] >= (max(1, int(len(ids) * share / 3)) if share else 0)
        assert found[split] == 0 or share


@given(ROWS, BOTH)
def test_a_row_that_moves_lies_next_to_the_boundary_that_had_too_few(
    ids: list[str], fractions: SplitFractions
) -> None:
    order = sorted(ids, key=position)
    found = splits_of(ids, fractions)
    # The splits are still intervals of the positions, in the same order.
    names = [found[row_id] for row_id in order]
    assert names == sorted(names, key=["test", "validation", "train"].index)
    of_hash = Counter(split_of(row_id, fractions) for row_id in ids)
    shares = shares_of(fractions)
    if all(of_hash[s] >= max(1, int(len(ids) * share / 3)) for s, share in shares.items() if share):
        assert found == {row_id: split_of(row_id, fractions) for row_id in ids}


@given(ROWS, IDS, BOTH)
def test_one_more_row_moves_two_rows_of_its_class_at_most(
    ids: list[str], more: str, fractions: SplitFractions
) -> None:
    before, after = splits_of(ids, fractions), splits_of([*{*ids, more}], fractions)
    assert sum(before[row_id] != after[row_id] for row_id in ids) <= 2


def test_the_rows_of_other_classes_move_nothing() -> None:
    rule = SplitRule(FRACTIONS, {"rare": ALL_TRAIN})
    assert [rule.split_of(f"row-{n}", "common") for n in range(8)] == KNOWN_SPLITS
    assert {rule.split_of(f"row-{n}", "rare") for n in range(8)} == {"train"}


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_rows_that_are_fewer_than_the_splits_all_train(rows: int) -> None:
    assert set(splits_of([str(n) for n in range(rows)], FRACTIONS).values()) <= {"train"}


def test_of_many_rows_chance_leaves_enough_to_each_split() -> None:
    ids = [str(number) for number in range(1_000)]
    assert cuts_of([position(row_id) for row_id in ids], FRACTIONS) == (0.2, 0.35)


def test_rows_of_left_out_labels_have_no_split_and_others_the_label_of_their_class(
    write_rows: WriteRows,
) -> None:
    (chunk,) = source_of(write_rows([LINE])).chunks()
    fractions = SplitFractions(test=0.0, validation=0.0)
    found = [
        (split, row.labels)
        for classes in ({"b": None}, {"b": "other"})
        for _, split, row in read_split_rows(chunk, FORM, SplitRule(fractions, classes=classes))
        if isinstance(row, Row)
    ]
    assert found == [(None, ("b",)), ("train", ("other",))]


def test_rows_carry_the_split_of_their_file_or_of_their_id(write_rows: WriteRows) -> None:
    (chunk,) = source_of(write_rows([LINE])).chunks()
    found = [
        split
        for each in (chunk, replace(chunk, split="test"))
        for _, split, _ in read_split_rows(each, FORM, TRAIN_RULE)
    ]
    assert found == ["train", "test"]


def test_an_invalid_row_comes_with_its_cause_and_without_a_split(write_rows: WriteRows) -> None:
    (chunk,) = source_of(write_rows([LINE, "", "{"])).chunks()
    (_, _, good), (record, split, bad) = read_split_rows(chunk, FORM, TRAIN_RULE)
    assert isinstance(good, Row)
    assert isinstance(bad, InvalidRow)
    assert (record.number, record.text, split) == (3, b"{", None)


def test_the_hash_of_an_id_is_sha256_of_its_utf8() -> None:
    assert hash_of_id("ü").hex().startswith("607474ca475a9724")


STEPS = RowFormat.of(FeaturesConfig({"x": NumericFeature(kind="numeric")}), 10, "per_step")


def splits_of_steps(write_rows: WriteRows, rule: SplitRule) -> list[tuple[Split | None, Any]]:
    labels = {"1": ["a", "rare", "a"], "2": ["a", "a"]}
    lines = [
        {"id": row_id, "label": each, "sequence": {"x": [1] * len(each)}}
        for row_id, each in labels.items()
    ]
    (chunk,) = source_of(write_rows(lines)).chunks()
    rows = read_split_rows(chunk, STEPS, rule)
    return [(split, row.labels) for _, split, row in rows if isinstance(row, Row)]


def test_a_rare_label_of_one_step_decides_over_the_row(write_rows: WriteRows) -> None:
    every = SplitFractions(test=1.0, validation=0.0)
    left_out = splits_of_steps(write_rows, SplitRule(every, classes={"rare": None}))
    assert left_out == [(None, ("a", "rare", "a")), ("test", ("a", "a"))]
    merged = splits_of_steps(write_rows, SplitRule(every, classes={"rare": "other"}))
    assert merged == [("test", ("a", "other", "a")), ("test", ("a", "a"))]
    alone = SplitRule(every, cuts={"rare": ALL_TRAIN}, rare={"rare": 1})
    trained = splits_of_steps(write_rows, alone)
    assert trained == [("train", ("a", "rare", "a")), ("test", ("a", "a"))]
