"""A client hears of every fault of its rows at once, each with the path to it."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from components.data.row_parsing import RowFormat
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from components.serving.faults import InvalidRequestError, parse_rows
from components.serving.limits import MAX_FAULTS
from tests.components.conftest import MIXED, mixed_row

FORM = RowFormat.of(MIXED, 10, needs_key=False)


def faults(*rows: Any, form: RowFormat = FORM) -> list[tuple[str, str]]:
    with pytest.raises(InvalidRequestError) as raised:
        parse_rows(rows, form)
    return [(fault.path, fault.message) for fault in raised.value.faults]


def changed(**values: Any) -> dict[str, Any]:
    """A good row in which features have other values."""
    row = copy.deepcopy(mixed_row(3))
    for name, value in values.items():
        part = "sequence" if name in row["sequence"] else "context"
        row[part][name] = value
    return row


def test_rows_that_are_valid_are_typed_in_their_order() -> None:
    rows = parse_rows([mixed_row(1), mixed_row(2)], FORM)
    assert [row.id for row in rows] == ["row-1", "row-2"]


STEPS = len(mixed_row(3)["sequence"]["pulse"])


@pytest.mark.parametrize(
    ("row", "path", "message"),
    [
        (changed(pulse=["x"] * STEPS), "sequence.pulse[0]", 'expected a number, got "x"'),
        (changed(pulse="x"), "sequence.pulse", 'expected a list, a value a step, got "x"'),
        (changed(pulse=[]), "sequence.pulse", "expected at least one step, got a list of 0"),
        (changed(pulse=None), "sequence.pulse", "expected a list, a number a step, got nothing"),
        (changed(motion=None), "sequence.motion", "expected a list, 3 numbers a step, got nothing"),
        (
            changed(motion=[[1, 2, True]] * STEPS),
            "sequence.motion[0][2]",
            "expected a number, got true",
        ),
        (
            changed(motion=[[1, 2]] * STEPS),
            "sequence.motion[0]",
            "expected a list of 3 numbers, got a list of 2",
        ),
        (changed(motion=[7] * STEPS), "sequence.motion[0]", "expected a list of 3 numbers, got 7"),
        (changed(event=[99] * STEPS), "sequence.event[0]", "expected an id from 0 to 39, got 99"),
        (changed(event=[1.5] * STEPS), "sequence.event[0]", "expected a whole number, got 1.5"),
        (changed(age={}), "context.age", "expected a number, got an object"),
        (changed(age=None), "context.age", "expected a number, got nothing"),
        (changed(size=[1, "y"]), "context.size[1]", 'expected a number, got "y"'),
        (changed(colour=5), "context.colour", "expected a string, got 5"),
        ([], "", "expected an object, got a list of 0"),
        (changed() | {"id": 1.5}, "id", "expected a string, got 1.5"),
        (changed() | {"sequence": 3}, "sequence", "expected an object, got 3"),
    ],
)
def test_a_fault_has_its_path_what_was_expected_and_what_came(
    row: Any, path: str, message: str
) -> None:
    assert faults(row) == [(f"rows[0]{'.' * bool(path)}{path}", message)]


def test_a_number_of_a_step_is_found_where_it_is() -> None:
    form = RowFormat.of(FeaturesConfig({"pressure": NumericFeature(kind="numeric")}), 20)
    row = {"id": "a", "label": "b", "sequence": {"pressure": [1.0] * 14 + ["x"]}}
    good = {**row, "sequence": {"pressure": [1]}}
    found = faults(good, good, row, form=form)
    assert found == [("rows[2].sequence.pressure[14]", 'expected a number, got "x"')]


def test_all_features_of_a_row_and_all_rows_are_named_at_once() -> None:
    found = faults(changed(pulse=["x"] * STEPS, age="old"), changed(), changed(colour=1))
    assert [path for path, _ in found] == [
        "rows[0].sequence.pulse[0]",
        "rows[0].context.age",
        "rows[2].context.colour",
    ]


def test_a_fault_of_no_feature_is_told_in_the_words_of_the_row() -> None:
    ((path, message),) = faults(changed(pulse=[1] * (STEPS + 1)))
    assert path == "rows[0].sequence"
    assert message.startswith("the sequences have different lengths: motion has")


def test_a_row_that_is_too_long_is_told_the_limit() -> None:
    form = RowFormat.of(FeaturesConfig({"x": NumericFeature(kind="numeric")}), 2, needs_key=False)
    assert faults({"sequence": {"x": [1, 2, 3]}}, form=form) == [
        ("rows[0].sequence.x", "x has more steps than max_row_steps = 2 allows: it has 3")
    ]


def test_a_name_that_is_no_identifier_is_quoted_in_the_path() -> None:
    assert faults(changed(**{"word-1.a": [1] * STEPS}))[0][0] == 'rows[0].sequence["word-1.a"][0]'


def test_so_many_faults_are_listed_and_all_rows_are_counted() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse_rows([3] * (MAX_FAULTS + 7), FORM)
    assert len(raised.value.faults) == MAX_FAULTS
    assert raised.value.invalid_rows == MAX_FAULTS + 7


def test_a_long_value_is_cut_short() -> None:
    ((_, message),) = faults(changed(age="y" * 1000))
    assert message == f'expected a number, got "{"y" * 39}…'
