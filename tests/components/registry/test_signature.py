from __future__ import annotations

import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models.utils import _enforce_schema

from components.registry.signature import model_signature
from tests.components.toy_export import FEATURES, json_row


def row(steps: int, **changes: object) -> dict[str, object]:
    whole = json_row(steps)
    return {**whole["sequence"], **whole["context"], **changes}


def test_rows_of_different_lengths_fit_and_come_through_unchanged() -> None:
    rows = pd.DataFrame([row(1), row(6)])
    found = _enforce_schema(rows, model_signature(FEATURES).inputs)
    assert [list(one) for one in found["word-1.a"]] == [list(one) for one in rows["word-1.a"]]
    assert found["motion"].tolist() == rows["motion"].tolist()


def test_whole_numbers_are_numbers() -> None:
    rows = pd.DataFrame([row(2, pulse=[1, 2], motion=[[1, 2, 3]] * 2, size=[1, 2], age=3)])
    assert len(_enforce_schema(rows, model_signature(FEATURES).inputs)) == 1


@pytest.mark.parametrize(
    "changes", [{"event": [1.5, 2.5]}, {"word-1.a": [1, 2]}, {"shop": "two"}, {"motion": 3.0}]
)
def test_values_of_another_kind_do_not_fit(changes: dict[str, object]) -> None:
    with pytest.raises(MlflowException):
        _enforce_schema(pd.DataFrame([row(2, **changes)]), model_signature(FEATURES).inputs)


def test_every_feature_is_required() -> None:
    signature = model_signature(FEATURES)
    assert signature.inputs.required_input_names() == [*FEATURES.sequence, *FEATURES.context]
    assert signature.outputs.input_names() == ["label", "probabilities"]
