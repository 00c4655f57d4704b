"""Rows of a source through an exported model: one answer per row, in order, or the reason."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from components.data.sources.jsonl import decode_line
from components.data.sources.source import Record
from components.errors import BrokenModelError, NotFoundError
from components.export.batch_prediction import Prediction, Predictor
from tests.components.toy_export import LABELS, LENGTHS, MAX_ROW_STEPS, ToyExport, json_row

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture(scope="module")
def predictor(toy: ToyExport) -> Predictor:
    return Predictor(toy.saved_model)


def _without(row: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in keys}


def _predict(predictor: Predictor, *rows: object) -> list[Prediction]:
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    texts = (line.encode() for line in lines)
    records = [Record(n, text, decode_line(text)) for n, text in enumerate(texts, start=1)]
    return list(predictor.predict(records))


def test_every_row_gets_the_most_probable_label_and_the_probability_of_each(
    predictor: Predictor, toy: ToyExport
) -> None:
    found = _predict(predictor, *(json_row(steps) for steps in LENGTHS))
    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert [each.id for each in found] == [f"row-{steps}" for steps in LENGTHS]
    for each, expected in zip(found, toy.probabilities.tolist(), strict=True):
        assert each.probabilities is not None
        assert tuple(each.probabilities) == LABELS
        assert list(each.probabilities.values()) == pytest.approx(expected, abs=1e-6)
        assert each.label == max(LABELS, key=each.probabilities.__getitem__)
        assert each.error is None
    assert len({each.label for each in found}) > 1


def test_a_row_needs_no_label_and_its_label_changes_nothing(predictor: Predictor) -> None:
    row = json_row(3)
    plain, null, wrong = _predict(
        predictor, _without(row, "label"), {**row, "label": None},
        {**row, "label": "never heard of"},
    )  # fmt: skip
    assert plain.error is None
    assert plain.probabilities == null.probabilities == wrong.probabilities


def test_an_invalid_row_gets_the_reason_and_disturbs_no_other(predictor: Predictor) -> None:
    good = json_row(4)
    narrow = json_row(2)
    narrow["sequence"]["motion"][1] = [1.0]
    found = _predict(predictor, "{", good, narrow, _without(good, "context"), json_row(1))
    assert [each.line for each in found] == [1, 2, 3, 4, 5]
    assert [each.id for each in found] == ["", "row-4", "", "", "row-1"]
    assert "invalid JSON" in str(found[0].error)
    assert "motion has a wrong width: 1 instead of 3 at step 1" in str(found[2].error)
    assert "context" in str(found[3].error)
    alone = _predict(predictor, good, json_row(1))
    assert [found[1].probabilities, found[4].probabilities] == [
        pytest.approx(each.probabilities) for each in alone
    ]


def test_more_rows_than_a_batch_keep_their_order(predictor: Predictor) -> None:
    rows = [{**json_row(number % 5 + 1), "id": f"r{number}"} for number in range(300)]
    found = _predict(predictor, *rows)
    assert [each.id for each in found] == [f"r{number}" for number in range(300)]
    assert found[299].probabilities == pytest.approx(found[4].probabilities)


def test_strings_that_training_never_saw_are_scored(predictor: Predictor) -> None:
    row = json_row(2)
    row["sequence"]["word-1.a"] = ["never", "seen 日本"]
    row["context"]["colour"] = ""
    (found,) = _predict(predictor, row)
    assert found.probabilities is not None
    assert sum(found.probabilities.values()) == pytest.approx(1.0)


def test_a_row_without_an_id_is_answered(predictor: Predictor) -> None:
    whole, bare = _predict(predictor, json_row(3), _without(json_row(3), "id", "label"))
    assert (bare.id, bare.error) == ("", None)
    assert bare.probabilities == whole.probabilities


def test_the_confidence_is_the_probability_of_the_label(predictor: Predictor) -> None:
    for each in _predict(predictor, *(json_row(steps) for steps in LENGTHS)):
        assert each.probabilities is not None
        assert each.label is not None
        assert each.confidence == each.probabilities[each.label] == max(each.probabilities.values())


@pytest.mark.parametrize(("top_k", "count"), [(1, 1), (2, 2), (3, 3), (99, 3)])
def test_only_the_most_probable_labels_are_listed_the_first_one_first(
    toy: ToyExport, predictor: Predictor, top_k: int, count: int
) -> None:
    (whole,) = _predict(predictor, json_row(4))
    (short,) = _predict(Predictor(toy.saved_model, top_k), json_row(4))
    assert whole.probabilities is not None
    assert short.probabilities is not None
    expected = sorted(whole.probabilities.items(), key=lambda item: -item[1])[:count]
    assert list(short.probabilities.items()) == expected
    assert (short.label, short.confidence) == expected[0]


def test_a_row_that_is_longer_than_the_model_takes_is_refused(predictor: Predictor) -> None:
    longest, longer = _predict(predictor, json_row(MAX_ROW_STEPS), json_row(MAX_ROW_STEPS + 1))
    assert longest.error is None
    assert longer.error == "event has more steps than max_row_steps = 100 allows: it has 101"


def test_an_answer_as_json_leaves_out_what_it_lacks() -> None:
    answered = Prediction(1, "a", "no", 0.75, {"no": 0.75, "yes": 0.25})
    assert answered.as_json() == {
        "line": 1, "id": "a", "label": "no", "confidence": 0.75,
        "probabilities": {"no": 0.75, "yes": 0.25},
    }  # fmt: skip
    assert Prediction(2, error="invalid JSON").as_json() == {"line": 2, "error": "invalid JSON"}


def test_no_rows_get_no_answers(predictor: Predictor) -> None:
    assert _predict(predictor) == []
    (refused,) = _predict(predictor, "[]")
    assert refused.error == "not a JSON object: it is a list"


def test_a_model_without_a_schema_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"schema\.json is missing"):
        Predictor(tmp_path)


def test_a_model_that_cannot_be_loaded_is_named_in_one_sentence(
    toy: ToyExport, tmp_path: Path
) -> None:
    damaged = shutil.copytree(toy.saved_model, tmp_path / "damaged")
    (damaged / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(BrokenModelError, match="cannot be loaded or run with TensorFlow") as caught:
        Predictor(damaged)
    assert str(damaged) in str(caught.value)
    assert "\n" not in str(caught.value)
