from __future__ import annotations

import copy
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException

from components.artifacts.values import Decision
from components.registry import packaging, pyfunc
from components.registry.registry import register_model
from tests.components.mlflow_server import (
    end_process,
    free_port,
    start_process,
    wait_until_answered,
)
from tests.components.toy_export import LABELS, ToyExport, json_row

pytest_plugins = ["tests.components.mlflow_fixtures"]


class Context:
    """What MLflow hands to ``load_context``."""

    def __init__(self, saved_model: Path, **limits: int) -> None:
        self.artifacts = {"saved_model": str(saved_model), **packaging.SERVED_MODULES}
        self.model_config = packaging.model_config(saved_model.parent) | limits


def load(toy: ToyExport, **limits: int) -> pyfunc.SequenceClassifier:
    classifier = pyfunc.SequenceClassifier()
    classifier.load_context(Context(toy.saved_model, **limits))
    return classifier


@pytest.fixture(scope="module")
def classifier(toy: ToyExport) -> pyfunc.SequenceClassifier:
    return load(toy)


def answer(classifier: pyfunc.SequenceClassifier, rows: list[dict[str, Any]]) -> Any:
    return classifier.predict(None, pd.DataFrame(rows))


def assert_answers(answers: list[dict[str, Any]], toy: ToyExport) -> None:
    found = [[one["probabilities"][label] for label in LABELS] for one in answers]
    np.testing.assert_allclose(found, toy.probabilities, atol=1e-6)
    best = toy.probabilities.argmax(axis=1)
    assert [one["label"] for one in answers] == [LABELS[i] for i in best]


def test_rows_of_any_length_are_answered_as_the_saved_model_answers(
    classifier: pyfunc.SequenceClassifier, toy: ToyExport
) -> None:
    assert_answers(answer(classifier, toy.rows).to_dict("records"), toy)


def test_no_rows_get_no_answers(classifier: pyfunc.SequenceClassifier, toy: ToyExport) -> None:
    found = classifier.predict(None, pd.DataFrame([toy.rows[0]]).iloc[:0])
    assert list(found.columns) == ["label", "probabilities"]
    assert len(found) == 0


def jsonl_row(flat: dict[str, Any]) -> dict[str, Any]:
    """A row in the form of a JSONL file."""
    whole = json_row(1)
    return {part: {name: flat[name] for name in whole[part]} for part in ("sequence", "context")}


def test_a_row_in_the_jsonl_form_is_answered_too(
    classifier: pyfunc.SequenceClassifier, toy: ToyExport
) -> None:
    rows = [{"id": "a", "label": None, **jsonl_row(row)} for row in toy.rows]
    assert_answers(answer(classifier, rows).to_dict("records"), toy)
    mixed = [jsonl_row(row) if index % 2 else row for index, row in enumerate(toy.rows)]
    assert_answers(answer(classifier, mixed).to_dict("records"), toy)


def test_what_a_row_lacks_is_read_as_the_config_says(toy: ToyExport) -> None:
    context = Context(toy.saved_model)
    fills = {"age": 41.0, "Läden": 2, "colour": "red"}
    for name, fill in fills.items():
        context.model_config["rows"]["context"][name]["missing"] = fill
    filling = pyfunc.SequenceClassifier()
    filling.load_context(context)
    whole = [row | fills for row in toy.rows]
    # Of a column that some rows lack, pandas makes NaN, and floats of its whole numbers.
    gaps = [
        {name: value for name, value in row.items() if name not in fills or index % 2}
        for index, row in enumerate(whole)
    ]
    expected = answer(filling, whole)
    for rows in (gaps, [row | dict.fromkeys(fills) for row in whole]):
        pd.testing.assert_frame_equal(answer(filling, rows), expected)
    jsonl = [{"sequence": jsonl_row(row)["sequence"],
              "context": {"size": row["size"]}} for row in whole]  # fmt: skip
    pd.testing.assert_frame_equal(answer(filling, jsonl), expected)


def test_numbers_of_numpy_are_taken(classifier: pyfunc.SequenceClassifier, toy: ToyExport) -> None:
    rows = [
        {
            name: np.array(value, object if name == "word-1.a" else None)
            if isinstance(value, list)
            else value
            for name, value in row.items()
        }
        for row in toy.rows
    ]
    assert_answers(answer(classifier, rows).to_dict("records"), toy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"motion": [[1, 2]] * 4}, "row 1: motion has a wrong width: 2 instead of 3 at step 0"),
        ({"motion": []}, "row 1: motion is empty: a sequence has at least one step"),
        ({"motion": 3.0}, "row 1: motion is not a list: it is a number"),
        ({"motion": None}, "row 1: motion is missing"),
        ({"pulse": ["1"]}, "row 1: pulse holds something that is not a number: a string at step 0"),
        ({"pulse": [True]}, "row 1: pulse holds something that is not a number: a boolean at step"),
        ({"pulse": [float("nan")]}, "row 1: pulse holds a number that float32 cannot hold: nan at"),
        ({"pulse": [1.0, 2.0]}, "row 1: the sequences have different lengths: .*pulse has 2 steps"),
        ({"event": [1.5]}, "row 1: event holds something that is not a whole number: a number at"),
        ({"event": [40]}, r"row 1: event holds an id out of \[0, 40\): 40 at step 0"),
        (
            {"word-1.a": [None]},
            "row 1: word-1.a holds something that is not a string: null at step",
        ),
        ({"size": [1.0]}, "row 1: size has a wrong width: 1 instead of 2"),
        ({"age": "41"}, "row 1: age holds something that is not a number: a string"),
        ({"age": True}, "row 1: age holds something that is not a number: a boolean"),
        ({"age": None}, "row 1: age is missing"),
        ({"colour": 1}, "row 1: colour holds something that is not a string: a whole number"),
    ],
)
def test_a_row_is_checked_as_those_of_the_training_are(
    classifier: pyfunc.SequenceClassifier, toy: ToyExport, changes: dict[str, Any], message: str
) -> None:
    rows = copy.deepcopy(toy.rows[:2])
    rows[1].update(changes)
    for each in (rows, [jsonl_row(row) for row in rows]):
        with pytest.raises(MlflowException, match=message) as caught:
            answer(classifier, each)
        assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_missing_column_is_named(classifier: pyfunc.SequenceClassifier, toy: ToyExport) -> None:
    row = {name: value for name, value in toy.rows[0].items() if name != "word-1.a"}
    with pytest.raises(MlflowException, match=r"row 0: word-1\.a is missing"):
        answer(classifier, [row])


def test_a_request_that_is_larger_than_the_limits_is_refused(toy: ToyExport) -> None:
    rows = toy.rows  # of 4, 1, 7, 2 and 2 steps
    assert len(answer(load(toy, max_request_rows=5), rows)) == 5
    with pytest.raises(MlflowException, match="has 5 rows, and max_request_rows = 4 allows no"):
        answer(load(toy, max_request_rows=4), rows)
    assert len(answer(load(toy, max_request_steps=16), rows)) == 5
    with pytest.raises(MlflowException, match=r"row 3 have 14 steps .* max_request_steps = 13"):
        answer(load(toy, max_request_steps=13), rows)
    assert len(answer(load(toy, max_row_steps=7), rows)) == 5
    with pytest.raises(MlflowException, match=r"row 2: .* max_row_steps = 6 allows: it has 7"):
        answer(load(toy, max_row_steps=6), rows)


@pytest.fixture(scope="module")
def served(store: str, toy: ToyExport, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of ``mlflow models serve`` on the champion."""
    decision = Decision(True, "every rule holds", (), None)
    register_model(toy.export, decision, name="served", tracking_uri=store, run_id=None)
    port = free_port()
    options = ["--env-manager=local", f"--port={port}", "--host=127.0.0.1"]
    process = start_process(
        [
            sys.executable,
            "-m",
            "mlflow",
            "models",
            "serve",
            "--model-uri=models:/served@champion",
            *options,
        ],
        tmp_path_factory.mktemp("served") / "serve.log",
        MLFLOW_TRACKING_URI=store,
        # MLflow starts its web server by name.
        PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    )
    try:
        wait_until_answered(f"http://127.0.0.1:{port}/ping", process)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        end_process(process)


def post(url: str, body: dict[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as response:
        return json.load(response)["predictions"]


def test_mlflow_serves_rows_of_different_lengths_and_refuses_a_bad_one(
    served: str, toy: ToyExport
) -> None:
    assert_answers(post(served, {"dataframe_records": toy.rows}), toy)
    assert_answers(post(served, {"inputs": toy.rows}), toy)
    with_more = [{"id": "a", "label": "no", **row} for row in toy.rows]
    assert_answers(post(served, {"dataframe_records": with_more}), toy)
    as_in_a_file = [{"id": "a", "label": "no", **jsonl_row(row)} for row in toy.rows]
    assert_answers(post(served, {"dataframe_records": as_in_a_file}), toy)
    for changes, message in (
        ({"motion": [[1, 2]]}, "row 0: motion has a wrong width: 2 instead of 3 at step 0"),
        ({"word-1.a": [None] * 4}, "row 0: word-1.a holds something that is not a string: null"),
        ({"event": [True] * 4}, "row 0: event holds something that is not a whole number: a bool"),
        ({"pulse": ["60"] * 4}, "row 0: pulse holds something that is not a number: a string"),
        ({"age": None}, "row 0: age is missing"),
        ({"pulse": [1] * 101}, "row 0: pulse has more steps than max_row_steps = 100 allows"),
    ):
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(served, {"dataframe_records": [{**toy.rows[0], **changes}]})
        with caught.value as response:
            assert response.code == 400
            assert message in json.load(response)["message"]
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(served, {"dataframe_records": toy.rows * 11})
    with caught.value as response:
        assert response.code == 400
        assert "max_request_rows = 50 allows no more" in json.load(response)["message"]
