"""Rows of a source through an exported model: one answer per row, in order, or the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.artifacts.values import Champion
from components.data.sources.formats import source_of
from components.errors import DataError, NotFoundError
from components.export.batch_prediction import Prediction, predict_rows
from tests.components.conftest import write_lines
from tests.components.toy_export import LABELS, LENGTHS, ToyExport, json_row

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture(scope="module")
def champion(toy: ToyExport) -> Champion:
    return Champion("demo", 1, str(toy.saved_model), "digest")


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def _predict(champion: Champion, path: Path, *rows: object) -> list[Prediction]:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    return predict_rows(champion, source_of(write_lines(path / "rows.jsonl", lines)))


def test_every_row_gets_the_most_probable_label_and_the_probability_of_each(
    champion: Champion, toy: ToyExport, tmp_path: Path
) -> None:
    found = _predict(champion, tmp_path, *(json_row(steps) for steps in LENGTHS))
    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert [each.id for each in found] == [f"row-{steps}" for steps in LENGTHS]
    for each, expected in zip(found, toy.probabilities.tolist(), strict=True):
        assert each.probabilities is not None
        assert tuple(each.probabilities) == LABELS
        assert list(each.probabilities.values()) == pytest.approx(expected, abs=1e-6)
        assert each.label == max(LABELS, key=each.probabilities.__getitem__)
        assert each.error is None
    assert len({each.label for each in found}) > 1


def test_a_row_needs_no_label_and_its_label_changes_nothing(
    champion: Champion, tmp_path: Path
) -> None:
    row = json_row(3)
    plain, null, wrong = _predict(
        champion, tmp_path, _without(row, "label"), {**row, "label": None},
        {**row, "label": "never heard of"},
    )  # fmt: skip
    assert plain.error is None
    assert plain.probabilities == null.probabilities == wrong.probabilities


def test_an_invalid_row_gets_the_reason_and_disturbs_no_other(
    champion: Champion, tmp_path: Path
) -> None:
    good = json_row(4)
    narrow = json_row(2)
    narrow["sequence"]["motion"][1] = [1.0]
    found = _predict(champion, tmp_path, "{", good, narrow, _without(good, "context"), json_row(1))
    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert [each.id for each in found] == [None, "row-4", None, None, "row-1"]
    assert "invalid JSON" in str(found[0].error)
    assert "motion has a wrong width: 1 instead of 3 at step 1" in str(found[2].error)
    assert "context" in str(found[3].error)
    alone = _predict(champion, tmp_path, good, json_row(1))
    assert [found[1].probabilities, found[4].probabilities] == [
        pytest.approx(each.probabilities) for each in alone
    ]


def test_blank_lines_are_skipped_but_counted(champion: Champion, tmp_path: Path) -> None:
    found = _predict(champion, tmp_path, "", json_row(2), "   ", json_row(1))
    assert [each.line for each in found] == [2, 4]


def test_every_row_of_a_file_with_a_byte_order_mark_is_scored(
    champion: Champion, toy: ToyExport, tmp_path: Path
) -> None:
    path = tmp_path / "rows.jsonl"
    lines = [json.dumps(json_row(steps)) for steps in LENGTHS]
    path.write_text("\n".join(lines), encoding="utf-8-sig")
    found = predict_rows(champion, source_of(str(path)))
    assert [(each.line, each.error) for each in found] == [(n, None) for n in range(1, 6)]
    assert found[0].probabilities is not None
    expected = toy.probabilities[0].tolist()
    assert list(found[0].probabilities.values()) == pytest.approx(expected, abs=1e-6)


def test_a_line_that_is_not_utf_8_gets_the_reason(champion: Champion, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"id": "\xff"}\n' + json.dumps(json_row(2)).encode())
    bad, good = predict_rows(champion, source_of(str(path)))
    assert (bad.line, bad.error) == (1, "invalid UTF-8")
    assert (good.line, good.error) == (2, None)


def test_more_rows_than_a_batch_keep_their_order(champion: Champion, tmp_path: Path) -> None:
    rows = [{**json_row(number % 5 + 1), "id": f"r{number}"} for number in range(300)]
    found = _predict(champion, tmp_path, *rows)
    assert [each.id for each in found] == [f"r{number}" for number in range(300)]
    assert found[299].probabilities == pytest.approx(found[4].probabilities)


def test_strings_that_training_never_saw_are_scored(champion: Champion, tmp_path: Path) -> None:
    row = json_row(2)
    row["sequence"]["word-1.a"] = ["never", "seen 日本"]
    row["context"]["colour"] = ""
    (found,) = _predict(champion, tmp_path, row)
    assert found.probabilities is not None
    assert sum(found.probabilities.values()) == pytest.approx(1.0)


def test_an_answer_as_json_leaves_out_what_it_lacks() -> None:
    answered = Prediction(1, "a", "no", {"no": 0.75, "yes": 0.25})
    assert answered.as_json() == {
        "line": 1, "id": "a", "label": "no", "probabilities": {"no": 0.75, "yes": 0.25},
    }  # fmt: skip
    refused = Prediction(2, None, None, None, "invalid JSON")
    assert refused.as_json() == {"line": 2, "error": "invalid JSON"}


def test_an_empty_file_is_the_users_mistake(champion: Champion, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl is empty"):
        _predict(champion, tmp_path)
    with pytest.raises(DataError, match=r"rows\.jsonl is empty"):
        _predict(champion, tmp_path, "", " ")


def test_a_file_without_one_valid_row_names_the_first_reason(
    champion: Champion, tmp_path: Path
) -> None:
    with pytest.raises(
        DataError, match=r"none of the 2 rows .* is valid; rows\.jsonl:1: invalid JSON"
    ):
        _predict(champion, tmp_path, "{", "[]")


@pytest.mark.parametrize("name", ["absent.jsonl", "."])
def test_a_path_without_a_file_is_named(champion: Champion, tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match="a file with one JSON object per line"):
        predict_rows(champion, source_of(str(tmp_path / name)))


def test_a_model_without_a_schema_is_named(tmp_path: Path) -> None:
    strange = Champion("demo", 1, str(tmp_path), "digest")
    with pytest.raises(NotFoundError, match=r"schema\.json is missing"):
        predict_rows(strange, source_of(str(tmp_path / "rows.jsonl")))
