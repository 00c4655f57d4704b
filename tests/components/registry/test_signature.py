from __future__ import annotations

import pandas as pd
from mlflow.models.utils import _enforce_schema

from components.registry.signature import model_signature
from tests.components.toy_export import FEATURES, json_row


def row(steps: int, **changes: object) -> dict[str, object]:
    whole = json_row(steps)
    return {**whole["sequence"], **whole["context"], **changes}


def test_rows_of_different_lengths_fit_and_come_through_unchanged() -> None:
    rows = pd.DataFrame([row(1), row(6)])
    found = _enforce_schema(rows, model_signature(FEATURES, "per_row").inputs)
    assert [list(one) for one in found["word-1.a"]] == [list(one) for one in rows["word-1.a"]]
    assert found["motion"].tolist() == rows["motion"].tolist()


def test_whole_numbers_are_numbers() -> None:
    rows = pd.DataFrame([row(2, pulse=[1, 2], motion=[[1, 2, 3]] * 2, size=[1, 2], age=3)])
    assert len(_enforce_schema(rows, model_signature(FEATURES, "per_row").inputs)) == 1


def test_the_model_itself_checks_the_values_and_sees_them_as_they_came() -> None:
    rows = [row(2, **{"event": [True, None], "Läden": "two", "motion": 3.0}), row(2)]
    found = _enforce_schema(pd.DataFrame(rows), model_signature(FEATURES, "per_row").inputs)
    first = found.to_dict("records")[0]
    assert (first["event"], first["Läden"], first["motion"]) == ([True, None], "two", 3.0)


def test_a_row_in_the_jsonl_form_fits() -> None:
    rows = pd.DataFrame([json_row(2), json_row(5)])
    found = _enforce_schema(rows, model_signature(FEATURES, "per_row").inputs)
    assert found["sequence"].tolist() == rows["sequence"].tolist()
    assert found["context"].tolist() == rows["context"].tolist()


def test_every_feature_and_each_part_of_a_row_is_a_column() -> None:
    signature = model_signature(FEATURES, "per_row")
    whole = json_row(1)
    names = [*whole["sequence"], *whole["context"], "sequence", "context"]
    assert signature.inputs.input_names() == names
    assert signature.outputs.input_names() == ["label", "probabilities"]


def test_where_each_step_has_a_label_the_answers_are_lists() -> None:
    outputs = model_signature(FEATURES, "per_step").outputs
    assert outputs.to_dict() == [
        {"type": "array", "items": {"type": "string"}, "name": "label", "required": True},
        {
            "type": "array",
            "items": {"type": "map", "values": {"type": "double"}},
            "name": "probabilities",
            "required": True,
        },
    ]
