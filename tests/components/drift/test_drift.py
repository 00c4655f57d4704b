"""A run's rows beside those of its champion, and any rows beside those of a model."""

from __future__ import annotations

from pathlib import Path

import pytest

from components.artifacts.drift import Drift, DriftCheck
from components.artifacts.schema import Schema, schema_directory
from components.artifacts.values import Champion, Examples
from components.data.passes.row_sample import SAMPLE, RowSample, write_sample
from components.data.row_parsing import Row, parse_row
from components.data.sources.source import Record
from components.drift.drift import check_rows, find_drift
from components.errors import DataError
from tests.components.conftest import MIXED, MIXED_FORM, JsonRow, mixed_row


def write(directory: Path, rows: list[JsonRow]) -> RowSample:
    sample = RowSample()
    for values in rows:
        row = parse_row(values, MIXED_FORM)
        assert isinstance(row, Row)
        sample.add(row, row.labels or (), MIXED)
    directory.mkdir(parents=True, exist_ok=True)
    write_sample(sample.table(), directory / SAMPLE)
    return sample


# One number of a row is its place: even and odd ones are spread alike.
OLD, NEW = range(0, 600, 2), range(1, 600, 4)


def older(row: JsonRow) -> JsonRow:
    return {
        **row,
        "id": f"new {row['id']}",
        "context": {**row["context"], "age": row["context"]["age"] + 60},
    }


@pytest.fixture
def champion(tmp_path: Path) -> Champion:
    path = tmp_path / "saved_model"
    write(schema_directory(path), [mixed_row(number) for number in OLD])
    return Champion("demo", 4, str(path), "digest")


def examples(directory: Path, rows: list[JsonRow]) -> Examples:
    write(directory, rows)
    return Examples(str(directory), "digest")


def test_without_a_champion_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    found = find_drift(None, Examples(str(tmp_path), ""), "warn")
    assert (found.version, found.checks) == (None, ())
    assert found.told == "nothing to compare with: no champion yet"


def test_a_champion_of_an_older_release_keeps_no_sample(tmp_path: Path) -> None:
    found = find_drift(Champion("demo", 4, str(tmp_path), ""), Examples(str(tmp_path), ""), "error")
    assert found.told.startswith("nothing to compare with: version 4 keeps no sample of its rows")


def test_new_rows_like_the_old_ones_are_no_drift(champion: Champion, tmp_path: Path) -> None:
    now = examples(tmp_path / "now", [mixed_row(number) for number in (*OLD, *NEW)])
    found = find_drift(champion, now, "error")
    assert (found.rows, found.reference_rows, found.alarms) == (len(NEW), 300, ())
    assert found.told == (
        f"no drift in {len(found.checks)} checks of 150 rows against those of version 4"
    )


def test_new_rows_that_differ_are_told_and_may_be_an_error(
    champion: Champion, tmp_path: Path
) -> None:
    rows = [mixed_row(number) for number in OLD]
    now = examples(
        tmp_path / "now",
        rows + [older(mixed_row(number)) for number in NEW],
    )
    found = find_drift(champion, now, "warn")
    assert [check.name for check in found.alarms] == ["value of age"]
    assert "differ from those that version 4 was trained on in 1 of" in found.told
    with pytest.raises(DataError, match=r"value of age \(.* -> .*\)\. Nothing is trained"):
        find_drift(champion, now, "error")


def test_of_many_alarms_five_are_named() -> None:
    checks = tuple(DriftCheck(f"f{n}", "mean", n, 0.0, 0.5, "1", "2", True) for n in range(8))
    told = Drift(3, 100, 200, checks).told
    assert "in 8 of 8 checks: mean of f0[0] (1 -> 2); " in told
    assert told.endswith("mean of f4[4] (1 -> 2) and 3 more")


def test_rows_without_ids_and_labels_can_be_checked(champion: Champion) -> None:
    schema = Schema(MIXED, (), {})
    reference = write(schema_directory(Path(champion.path)), [mixed_row(n) for n in OLD])
    records = []
    for number in range(1, 600, 5):
        row = older(mixed_row(number))
        values = {key: row[key] for key in ("context", "sequence")}
        records.append(Record(number, b"", values))
    records.append(Record(600, b"", {"sequence": {}}))
    found, invalid = check_rows(records, schema, reference.table(), 4)
    assert (found.rows, invalid) == (120, 1)
    assert [check.name for check in found.alarms] == ["value of age"]
    assert "label" not in {check.what for check in found.checks}
    with pytest.raises(DataError, match=r"10 valid rows .* are too few to compare: 50 are needed"):
        check_rows(records[:10], schema, reference.table(), 4)


def test_rows_that_the_model_was_trained_on_say_nothing(champion: Champion) -> None:
    reference = write(schema_directory(Path(champion.path)), [mixed_row(n) for n in OLD])
    records = [Record(number, b"", mixed_row(number)) for number in OLD]
    with pytest.raises(DataError, match=r"^0 valid rows that version 4 was not trained on"):
        check_rows(records, Schema(MIXED, (), {}), reference.table(), 4)


def test_few_new_rows_are_not_compared(champion: Champion, tmp_path: Path) -> None:
    now = examples(tmp_path / "now", [mixed_row(number) for number in (*OLD, *NEW[:49])])
    assert find_drift(champion, now, "error").told == (
        "nothing to compare with: 49 new rows since version 4 are too few"
    )
