"""Labels are counted first: rare ones stop nothing, unless the config says so."""

from __future__ import annotations

from typing import Any

import pytest

from components.config import DataConfig
from components.data.row_parsing import RowFormat
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.splits.by_id import ALL_TRAIN, position
from components.data.splits.rule import LabelRows, count_labels, merge_counts, split_rule
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import WriteRows

FORM = RowFormat.of(FeaturesConfig({"x": NumericFeature(kind="numeric")}), max_steps=10)
DATA = DataConfig(train="rows.jsonl")


def rows(label: str, train: int, others: int = 0) -> LabelRows:
    return LabelRows(train, others, [position(f"{label}-{number}") for number in range(train)])


def line(row_id: str, label: str) -> dict[str, Any]:
    return {"id": row_id, "label": label, "sequence": {"x": [1]}}


def test_the_valid_rows_of_each_label_are_counted_by_whether_they_may_train(
    write_rows: WriteRows,
) -> None:
    train = write_rows([line("1", "a"), line("2", "b"), line("3", "a"), "{"])
    test = write_rows([line("4", "a"), line("5", "c")], "test.jsonl")
    chunks = chunks_of(find_rows(DataConfig(train=train, test=test)))
    assert count_labels(chunks, FORM) == {
        "a": LabelRows(2, 1, [position("1"), position("3")]),
        "b": LabelRows(1, 0, [position("2")]),
        "c": LabelRows(0, 1, []),
    }


def test_counts_of_parts_add_up_and_stay_as_they_are() -> None:
    part = {"a": rows("a", 2)}
    merged = merge_counts([part, part, {"b": rows("b", 0, 1)}])
    assert (merged["a"].train, len(merged["a"].positions), merged["b"].others) == (4, 4, 1)
    assert part == {"a": rows("a", 2)}


def test_labels_with_enough_rows_leave_the_rule_empty() -> None:
    rule = split_rule({"a": rows("a", 60), "b": rows("b", 60)}, DATA)
    assert (rule.cuts, rule.classes, rule.rare) == ({}, {}, {})


@pytest.mark.parametrize(
    ("choice", "classes"),
    [
        ("drop", {"few": None, "new": None}),
        ("stop", {"few": None, "new": None}),
        ("train", {"new": None}),
        ("other", {"few": "other", "new": "other"}),
    ],
)
def test_the_config_decides_what_becomes_of_rare_labels(
    choice: Any, classes: dict[str, str | None]
) -> None:
    counts = {"a": rows("a", 60), "few": rows("few", 2, 1), "new": rows("new", 0, 4)}
    rule = split_rule(counts, DataConfig(train="rows.jsonl", rare_labels=choice))
    assert rule.classes == classes
    assert rule.rare == {"few": 3, "new": 4}
    assert rule.cuts == ({} if choice in ("drop", "stop") else
                         {"few" if choice == "train" else "other": ALL_TRAIN})  # fmt: skip


def test_without_a_training_row_there_is_no_class_of_other_labels() -> None:
    counts = {"a": rows("a", 60), "new": rows("new", 0, 4)}
    rule = split_rule(counts, DataConfig(train="rows.jsonl", rare_labels="other"))
    assert rule.classes == {"new": None}


def test_the_class_of_rare_labels_is_split_as_any_other() -> None:
    counts = {"a": rows("a", 60), **{f"few-{n}": rows(f"few-{n}", 1) for n in range(6)}}
    rule = split_rule(counts, DataConfig(train="rows.jsonl", rare_labels="other"))
    splits = {rule.split_of(f"few-{n}-0", "other") for n in range(6)}
    assert splits == {"train", "validation", "test"}


def test_a_new_label_moves_no_row_of_the_others() -> None:
    before = split_rule({"a": rows("a", 6), "b": rows("b", 6)}, DATA)
    after = split_rule({"a": rows("a", 6), "b": rows("b", 6), "new": rows("new", 1)}, DATA)
    ids = [(f"{label}-{n}", label) for label in "ab" for n in range(6)]
    assert [before.split_of(*each) for each in ids] == [after.split_of(*each) for each in ids]


def test_a_label_is_no_longer_rare_when_it_has_as_many_rows_as_the_config_asks_for() -> None:
    counts = {"a": rows("a", 60), "b": rows("b", 5)}
    assert set(split_rule(counts, DataConfig(train="r", min_label_rows=6)).rare) == {"b"}
    assert set(split_rule(counts, DataConfig(train="r", min_label_rows=5)).rare) == set()


def test_of_many_rows_no_positions_are_kept_and_the_hash_alone_decides() -> None:
    many = {"a": rows("a", 2_000)}
    merged = merge_counts([many, many])
    assert len(merged["a"].positions) < 2_000
    assert split_rule(merged, DATA).cuts == {}


STEPS = RowFormat.of(FeaturesConfig({"x": NumericFeature(kind="numeric")}), 10, "per_step")


def of_steps(row_id: str, labels: str) -> dict[str, Any]:
    return {"id": row_id, "label": list(labels), "sequence": {"x": [1] * len(labels)}}


def test_a_row_counts_once_for_each_label_of_its_steps_and_lies_with_its_commonest(
    write_rows: WriteRows,
) -> None:
    path = write_rows([of_steps("1", "aab"), of_steps("2", "abb"), of_steps("3", "b")])
    counts = count_labels(chunks_of(find_rows(DataConfig(train=path))), STEPS)
    assert counts == {
        "a": LabelRows(2, 0, [position("1")]),
        "b": LabelRows(3, 0, [position("2"), position("3")]),
    }
