"""Logged requests beside training rows, and answers beside their labels."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from components.artifacts.schema import Schema
from components.data.passes.row_sample import RowSample
from components.data.row_parsing import Row, parse_row
from components.errors import DataError
from components.monitoring.findings import ServedCheck
from components.monitoring.logged import ServedLog
from components.monitoring.served_check import check_served
from tests.components.answer_logs import logged, write_log
from tests.components.conftest import MIXED, MIXED_FORM, JsonRow, mixed_row

SCHEMA = Schema(MIXED, (), {})
# One number of a row is its place: even and odd ones are spread alike.
TRAINED, SERVED = range(0, 600, 2), range(1, 600, 4)


@pytest.fixture(scope="module")
def reference() -> pa.Table:
    sample = RowSample()
    for number in TRAINED:
        row = parse_row(mixed_row(number), MIXED_FORM)
        assert isinstance(row, Row)
        sample.add(row, row.labels or (), MIXED)
    return sample.table()


def older(number: int) -> JsonRow:
    row = mixed_row(number)
    return {**row, "context": {**row["context"], "age": row["context"]["age"] + 60}}


def check(folder: Path, reference: pa.Table, lines: list[JsonRow]) -> ServedCheck:
    return check_served(ServedLog(write_log(folder, lines)), SCHEMA, reference, 4)


def test_requests_like_the_training_rows_are_no_drift(tmp_path: Path, reference: pa.Table) -> None:
    lines = [logged(mixed_row(number), "yes") for number in SERVED]
    found = check(tmp_path, reference, [*lines, logged({"id": "x", "sequence": {}}, "no")])
    assert (found.drift.rows, found.drift.version, found.drift.alarms) == (150, 4, ())
    assert (found.invalid_rows, found.not_compared, found.unreadable_lines) == (1, (), 0)


def test_requests_that_differ_are_drift(tmp_path: Path, reference: pa.Table) -> None:
    found = check(tmp_path, reference, [logged(older(number), "yes") for number in SERVED])
    assert [each.name for each in found.drift.alarms] == ["value of age"]


def test_a_row_that_is_asked_for_again_counts_once_and_another_under_its_id_twice(
    tmp_path: Path, reference: pa.Table
) -> None:
    lines = [logged(mixed_row(number), "yes") for number in SERVED]
    others = [logged({**mixed_row(number + 1), "id": "one"}, "no") for number in SERVED[:10]]
    found = check(tmp_path, reference, [*lines, *lines[:60], *others])
    assert found.drift.rows == 160
    assert [each.rows for each in found.answers] == [220]


def test_the_answers_of_each_version_are_counted(tmp_path: Path, reference: pa.Table) -> None:
    lines = [
        logged(mixed_row(number), "yes" if place % 5 else "no", 0.5 + 0.25 * (place % 2))
        for place, number in enumerate(SERVED)
    ]
    lines.append(logged(mixed_row(601), ["no", "no"], [0.5, None], version=5))
    lines.append(logged(mixed_row(603), "no", None, version=2))
    found = check(tmp_path, reference, lines)
    five, four, two = found.answers
    assert (four.version, four.rows, four.labels) == (4, 150, {"yes": 120, "no": 30})
    assert four.confidence == pytest.approx(0.625)
    assert (five.version, five.labels, five.confidence) == (5, {"no": 2}, 0.5)
    assert (two.version, two.confidence) == (2, None)
    assert found.of_champion == four
    # A third of the training rows each.
    assert found.training_labels == pytest.approx({"no": 1 / 3, "yes": 1 / 3, "übrig": 1 / 3})
    assert found.label_distance == pytest.approx(0.8 - 1 / 3)


def test_without_an_answer_of_the_champion_there_is_nothing_to_hold_against_its_training(
    tmp_path: Path, reference: pa.Table
) -> None:
    lines = [logged(mixed_row(number), "yes", version=3) for number in SERVED]
    found = check(tmp_path, reference, lines)
    assert (found.of_champion, found.label_distance) == (None, None)


def test_features_that_are_not_logged_are_not_compared(tmp_path: Path, reference: pa.Table) -> None:
    dropped = ("Läden", "age", "motion", "name")
    lines = []
    for number in SERVED:
        row = mixed_row(number)
        for part in ("context", "sequence"):
            row[part] = {key: each for key, each in row[part].items() if key not in dropped}
        lines.append(logged(row, "yes", dropped=dropped))
    found = check(tmp_path, reference, lines)
    assert (found.drift.rows, found.invalid_rows) == (150, 0)
    assert found.not_compared == ("Läden", "age", "motion")
    assert {each.feature for each in found.drift.checks} == {
        "", "pulse", "word-1.a", "event", "size", "colour",
    }  # fmt: skip


def test_a_log_without_the_context_is_compared_and_one_without_sequences_is_not(
    tmp_path: Path, reference: pa.Table
) -> None:
    lines = [
        logged({"id": f"{n}", "sequence": mixed_row(n)["sequence"]}, "yes", dropped=("context",))
        for n in SERVED
    ]
    found = check(tmp_path / "context", reference, lines)
    assert found.not_compared == ("Läden", "age", "colour", "size")
    lines = [logged({"id": f"{number}"}, "yes", dropped=("sequence",)) for number in SERVED]
    with pytest.raises(DataError, match=r"no sequence, as --log-drop left out .*event, .*pulse"):
        check(tmp_path / "sequence", reference, lines)


def test_few_requests_are_not_compared(tmp_path: Path, reference: pa.Table) -> None:
    with pytest.raises(DataError, match=r"20 valid rows .* are too few to compare"):
        check(tmp_path, reference, [logged(mixed_row(number), "no") for number in SERVED[:20]])
