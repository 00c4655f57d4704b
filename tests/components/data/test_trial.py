"""Proposed features are tried: what a run would refuse, and what a person should doubt."""

from __future__ import annotations

from typing import Any

import pytest

from components.config import DataConfig
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.trial import notes_of_rows, try_rows
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import JsonRow, WriteRows

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})


def row(number: int, **changes: Any) -> JsonRow:
    return {"id": f"row-{number}", "label": "ab"[number % 2], "sequence": {"x": [number]}} | changes


def notes_of(data: DataConfig) -> str:
    trial = try_rows(chunks_of(find_rows(data)), data, FEATURES)
    return "\n".join(notes_of_rows(trial, data, FEATURES))


@pytest.fixture
def notes(write_rows: WriteRows) -> Any:
    def of(changed: list[JsonRow | str], **settings: Any) -> str:
        lines = [row(number) for number in range(60)]
        return notes_of(DataConfig(train=write_rows([*lines, *changed]), **settings))

    return of


def test_rows_that_are_as_they_should_be_have_no_notes(notes: Any) -> None:
    assert notes([]) == ""


@pytest.mark.parametrize(
    ("changed", "note"),
    [
        ([row(7)], "a run refuses these rows: every id may occur once, but 1 occur more often"),
        ([row(61, sequence={"x": [1e19]})] * 1, "a run refuses these rows: x holds numbers as"),
        (["{"], "1 rows are invalid; the first is rows.jsonl:61: invalid JSON"),
        ([row(61, label="c")], "1 labels have fewer than min_label_rows = 3 rows in rows.jsonl: "
                               "'c' (1). Their rows are left out"),
        ([row(61, label=True)], "labels are true and false"),
        ([row(61, label="A")], "the labels 'A' and 'a' differ in spaces or capitals alone"),
        ([row(100 + n, label=n) for n in range(60)], "62 labels among 120 rows: a label is"),
        ([row(61, sequence={"x": [1] * 5_000})], "the longest row has 5,000 steps"),
        ([row(61, sequence={"x": [1] * 100_001})], "x has more steps than max_row_steps"),
    ],
)  # fmt: skip
def test_what_is_odd_is_noted(changed: list[Any], note: str, notes: Any) -> None:
    # A row of large numbers is checked where it trains.
    assert note in notes(changed, rare_labels="drop", test_fraction=0.01, validation_fraction=0.01)


def test_more_invalid_rows_than_allowed_are_what_a_run_refuses(notes: Any) -> None:
    assert "A run refuses more than bad_rows_allowed_fraction = 0.01" in notes(["{"])
    assert "A run refuses" not in notes(["{"], bad_rows_allowed_fraction=0.1)


def test_rows_of_one_label_each_are_what_a_run_refuses(write_rows: WriteRows) -> None:
    path = write_rows([row(number, label=f"text {number}") for number in range(30)])
    text = notes_of(DataConfig(train=path))
    assert "a run refuses these rows: all 30 labels have fewer than" in text


def test_ids_that_are_in_the_test_file_too_are_what_a_run_refuses(write_rows: WriteRows) -> None:
    train = write_rows([row(number) for number in range(60)], "train.jsonl")
    test = write_rows([row(number, label="a") for number in range(50, 70)], "test.jsonl")
    text = notes_of(DataConfig(train=train, test=test))
    assert "10 occur more often, 10 of them in two splits" in text
