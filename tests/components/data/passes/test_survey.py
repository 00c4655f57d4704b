"""Rows that no model can be trained on stop the run before anything is learned from them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from components.config import DataConfig, PreprocessingConfig, SplitConfig
from components.data.passes.survey import Survey, check_survey, survey_rows
from components.data.rows import find_rows
from components.data.sources.formats import chunks_of
from components.data.splits.by_id import split_fractions, split_of
from components.data.splits.values import row_format
from components.errors import DataError, InvalidRowsError
from components.features.config import FeaturesConfig
from components.features.numeric import NumericFeature
from tests.components.conftest import JsonRow, WriteRows

pytestmark = pytest.mark.slow

FEATURES = FeaturesConfig({"x": NumericFeature(kind="numeric")})


def row(number: int, **changes: Any) -> JsonRow:
    row = {"id": f"row-{number}", "label": "ab"[number % 2], "sequence": {"x": [number]}}
    return row | changes


def rows(count: int, prefix: str = "row") -> list[JsonRow]:
    return [row(number, id=f"{prefix}-{number}") for number in range(count)]


Check = Callable[[DataConfig], Survey]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    """Surveys the rows for real, in two chunks at least, and checks what was found."""

    def run(data: DataConfig) -> Survey:
        chunks = chunks_of(find_rows(data), chunk_bytes=700)
        form = row_format(FEATURES, data)
        scratch = tmp_path / "scratch"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        survey = survey_rows(chunks, FEATURES, form, data, PreprocessingConfig(), scratch)
        check_survey(survey, data, FEATURES, tmp_path / "letters.jsonl")
        return survey

    return run


def test_valid_rows_pass_and_are_counted(check: Check, write_rows: WriteRows) -> None:
    profile = check(DataConfig(train=write_rows(rows(60)))).profile
    assert (profile.valid_count, profile.invalid_count) == (60, 0)


def test_the_newest_rows_test_and_groups_stay_together(check: Check, write_rows: WriteRows) -> None:
    path = write_rows([row(n, when=n, customer=n // 5) for n in range(100)])
    survey = check(DataConfig(train=path, split=SplitConfig(time="when", group="customer")))
    assert {split: seen.rows for split, seen in survey.profile.splits.items()} == {
        "train": 65, "validation": 15, "test": 20,
    }  # fmt: skip
    assert survey.parted_groups == ()


def test_groups_in_two_files_are_named_and_stop_the_run(
    check: Check, write_rows: WriteRows
) -> None:
    path = write_rows([row(n, customer=n // 5) for n in range(60)])
    other = write_rows([row(n, customer=n // 5) for n in range(60, 66)] + [
        row(n, customer=n - 100) for n in range(100, 103)
    ], "test.jsonl")  # fmt: skip
    with pytest.raises(
        DataError, match=r"3 groups of data\.split\.group = customer have rows in two"
    ):
        check(DataConfig(train=path, test=other, split=SplitConfig(group="customer")))


def test_the_budget_names_the_causes_with_their_first_rows(
    check: Check, write_rows: WriteRows, tmp_path: Path
) -> None:
    lines: list[JsonRow | str] = [*rows(90)]
    lines[4:4] = [row(200 + n, sequence={"x": []}) for n in range(3)]
    lines[30:30] = [row(300 + n, label=None) for n in range(2)]
    lines[50:50] = ['{"id": NaN}', "{", row(400, id=None)]
    with pytest.raises(InvalidRowsError) as error:
        check(DataConfig(train=write_rows(lines), bad_rows_allowed_fraction=0.05))
    assert str(error.value) == (
        "8 of 98 rows are invalid, 5 % allowed; the three most common causes: "
        "x is empty (3, first at rows.jsonl:5), 'label' is missing (2, first at rows.jsonl:31), "
        f"'id' is missing (1, first at rows.jsonl:53); see {tmp_path / 'letters.jsonl'}"
    )


def test_the_dead_letters_of_a_refused_run_are_left_in_the_order_of_the_lines(
    check: Check, write_rows: WriteRows, tmp_path: Path
) -> None:
    path = write_rows([*rows(20), "{", *rows(20, "more"), row(50, sequence={})])
    with pytest.raises(InvalidRowsError):
        check(DataConfig(train=path, bad_rows_allowed_fraction=0.0))
    letters = [json.loads(line) for line in (tmp_path / "letters.jsonl").read_text().splitlines()]
    assert [(letter["source"], letter["line"]) for letter in letters] == [(path, 21), (path, 42)]
    assert letters[0]["reason"].startswith("invalid JSON")
    assert letters[0]["excerpt"] == "{"
    assert letters[1]["reason"] == "x is missing"


def test_a_budget_that_is_just_kept_passes(check: Check, write_rows: WriteRows) -> None:
    survey = check(DataConfig(train=write_rows([*rows(99), "{"]), bad_rows_allowed_fraction=0.01))
    (lines,) = (path.read_text() for path in survey.invalid_rows)
    assert json.loads(lines)["line"] == 100


def test_ids_that_occur_twice_are_named_with_their_lines(
    check: Check, write_rows: WriteRows
) -> None:
    path = write_rows([*rows(60), row(3), row(7), row(7)])
    with pytest.raises(DataError) as error:
        check(DataConfig(train=path))
    assert "2 occur more often: 'row-3' at rows.jsonl:4, rows.jsonl:61; 'row-7' at " in str(
        error.value
    )


def test_ids_in_two_splits_are_counted(check: Check, write_rows: WriteRows) -> None:
    train = write_rows(rows(40), "train.jsonl")
    test = write_rows([*rows(10, "test"), row(5)], "test.jsonl")
    with pytest.raises(DataError, match=r"1 of them in two splits: 'row-5' at test\.jsonl:11, "):
        check(DataConfig(train=train, test=test))


def test_contents_in_two_splits_are_counted_the_same_in_any_number_of_chunks(
    write_rows: WriteRows, tmp_path: Path
) -> None:
    train = write_rows([*rows(60), row(3, id="again in training")], "train.jsonl")
    repeated = [row(5, id="leak"), row(8, id="contradiction", label="b"), row(9, id="b", label="b")]
    new = [row(100 + number, id=f"new-{number}") for number in range(20)]
    test = write_rows([*new, *repeated], "test.jsonl")
    data = DataConfig(train=train, test=test, validation_fraction=0.1)
    found = []
    for chunk_bytes in (300, 1 << 20):
        chunks = chunks_of(find_rows(data), chunk_bytes=chunk_bytes)
        form = row_format(FEATURES, data)
        scratch = tmp_path / str(chunk_bytes)
        scratch.mkdir()
        survey = survey_rows(chunks, FEATURES, form, data, PreprocessingConfig(), scratch)
        found.append(survey.matches.repeated)
    assert found[0] == found[1]
    in_test = found[0].rows["test"]
    assert (in_test, found[0].relabelled) == (3, 1)
    assert [pair[0] for pair in found[0].examples] == ["b", "contradiction"]
    assert found[0].told().startswith("3 test")


def test_contents_in_two_splits_stop_the_run_where_the_config_says_so(
    check: Check, write_rows: WriteRows
) -> None:
    train = write_rows(rows(60), "train.jsonl")
    test = write_rows([row(5, id="leak"), row(8, id="new", label="b")], "test.jsonl")
    assert check(DataConfig(train=train, test=test)).matches.repeated.rows == {"test": 2}
    with pytest.raises(DataError) as error:
        check(DataConfig(train=train, test=test, repeated_content="stop"))
    message = str(error.value)
    assert message.startswith("2 test rows have the content of a row in another split, as 'leak'")
    assert "; 1 of them with another label. The model would be tested on" in message
    assert "data.repeated_content: warn goes on" in message


def test_rare_and_unknown_labels_stop_nothing(check: Check, write_rows: WriteRows) -> None:
    train = write_rows([*rows(40), row(50, label="rare")], "train.jsonl")
    test = write_rows([row(90, label="c"), row(91, label="c"), row(92)], "test.jsonl")
    survey = check(DataConfig(train=train, test=test))
    assert survey.rule.rare == {"c": 2, "rare": 1}
    assert (survey.profile.valid_count, survey.profile.left_out) == (44, 3)
    assert survey.profile.splits["test"].labels == {"a": 1}


def test_rare_labels_stop_the_run_where_the_config_says_so(
    check: Check, write_rows: WriteRows
) -> None:
    path = write_rows([*rows(40), row(50, label="rare")])
    with pytest.raises(DataError, match=r"1 labels have fewer .* = 3 rows in .*: 'rare' \(1\)"):
        check(DataConfig(train=path, rare_labels="stop"))


def test_the_class_of_rare_labels_is_trained_and_measured(
    check: Check, write_rows: WriteRows
) -> None:
    path = write_rows([*rows(40), *(row(50 + n, label=f"rare-{n}") for n in range(5))])
    profile = check(DataConfig(train=path, rare_labels="other")).profile
    assert [seen.labels["other"] for seen in profile.splits.values()] == [3, 1, 1]


def test_a_repeated_id_is_found_also_where_a_row_of_it_is_left_out(
    check: Check, write_rows: WriteRows
) -> None:
    with pytest.raises(DataError, match=r"'row-3' at rows\.jsonl:4, rows\.jsonl:41"):
        check(DataConfig(train=write_rows([*rows(40), row(3, label="rare")])))


def test_a_single_class_is_refused(check: Check, write_rows: WriteRows) -> None:
    with pytest.raises(DataError, match="have the label 'a': a classifier needs at least two"):
        check(DataConfig(train=write_rows([row(2 * number) for number in range(60)])))


def test_an_empty_split_says_what_to_do(check: Check, write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(rows(2)), test=write_rows([row(7)], "test.jsonl"),
                      min_label_rows=1)  # fmt: skip
    with pytest.raises(DataError, match=r"validation split is empty, of 3 valid rows: give more"):
        check(data)


def test_rows_whose_hashes_leave_the_training_split_empty_are_split_all_the_same(
    check: Check, write_rows: WriteRows
) -> None:
    data = DataConfig(train="rows.jsonl", validation_fraction=0.4, test_fraction=0.4)
    fractions = split_fractions(data)
    elsewhere = [each for each in rows(30) if split_of(each["id"], fractions) != "train"]
    profile = check(replace(data, train=write_rows(elsewhere))).profile
    assert all(seen.labels.keys() == {"a", "b"} for seen in profile.splits.values())


def test_labels_of_one_row_each_say_what_to_do(check: Check, write_rows: WriteRows) -> None:
    lines = [row(number, label=f"text {number}") for number in range(30)]
    wanted = r"all 30 labels have fewer than .* 'text 0' \(1\), .* and 25 more\. Check that 'label"
    with pytest.raises(DataError, match=wanted):
        check(DataConfig(train=write_rows(lines)))


def test_a_file_without_a_valid_row_is_named(check: Check, write_rows: WriteRows) -> None:
    data = DataConfig(train=write_rows(rows(30)), test=write_rows(["{"], "test.jsonl"),
                      bad_rows_allowed_fraction=0.5)  # fmt: skip
    with pytest.raises(DataError, match=r"data\.test \(.*test\.jsonl\) holds no valid row"):
        check(data)


def test_a_file_of_blank_lines_holds_no_rows(check: Check, write_rows: WriteRows) -> None:
    with pytest.raises(DataError, match="holds no rows; expected one JSON object per line"):
        check(DataConfig(train=write_rows(["", "  ", ""])))


def test_numbers_whose_squares_overflow_are_refused(check: Check, write_rows: WriteRows) -> None:
    path = write_rows([*rows(60), row(2, id="large", sequence={"x": [1, -3e30]})])
    with pytest.raises(DataError, match=r"x holds numbers as large as 3e\+30"):
        check(
            DataConfig(
                train=path,
                validation_fraction=0.01,
                test_fraction=0.01,
                validation=write_rows([row(80)], "v"),
                test=write_rows([row(81)], "t"),
            )
        )
