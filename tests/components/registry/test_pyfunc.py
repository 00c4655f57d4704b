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
from components.registry import pyfunc
from components.registry.registry import register_model
from tests.components.mlflow_server import (
    end_process,
    free_port,
    start_process,
    wait_until_answered,
)
from tests.components.toy_export import LABELS, ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]


class Context:
    """What MLflow hands to ``load_context``."""

    def __init__(self, saved_model: Path) -> None:
        self.artifacts = {"saved_model": str(saved_model)}


@pytest.fixture(scope="module")
def classifier(toy: ToyExport) -> pyfunc.SequenceClassifier:
    classifier = pyfunc.SequenceClassifier()
    classifier.load_context(Context(toy.saved_model))
    return classifier


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


def test_many_rows_are_answered_in_order_and_in_parts(
    classifier: pyfunc.SequenceClassifier,
    toy: ToyExport,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pyfunc, "BATCH_ROWS", 2)
    assert_answers(answer(classifier, toy.rows).to_dict("records"), toy)


def test_no_rows_get_no_answers(classifier: pyfunc.SequenceClassifier, toy: ToyExport) -> None:
    found = classifier.predict(None, pd.DataFrame([toy.rows[0]]).iloc[:0])
    assert list(found.columns) == ["label", "probabilities"]
    assert len(found) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"motion": [[1, 2]] * 4}, "row 1, motion: expected steps of 3 numbers each"),
        ({"motion": [[1, 2, 3], [1, 2]]}, "row 1, motion: expected steps of 3 numbers each"),
        ({"motion": []}, "row 1, motion: expected steps of 3 numbers each"),
        ({"pulse": [1.0, "x", 2.0, 3.0]}, "row 1, pulse: expected steps of 1 numbers each"),
        ({"pulse": [1.0, float("nan")]}, "row 1, pulse: expected finite numbers"),
        ({"pulse": [1.0, 2.0]}, "row 1: its sequences differ in length: .*'pulse': 2"),
        ({"event": [[1], [2]]}, "row 1, event: expected a list of whole numbers"),
        ({"word-1.a": []}, "row 1, word-1.a: expected a list of strings"),
        ({"size": [1.0]}, "row 1, size: expected 2 numbers"),
        ({"age": "old"}, "row 1, age: expected 1 numbers"),
        ({"age": float("inf")}, "row 1, age: expected finite numbers"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_by_its_place_and_feature(
    classifier: pyfunc.SequenceClassifier,
    toy: ToyExport,
    changes: dict[str, Any],
    message: str,
) -> None:
    rows = copy.deepcopy(toy.rows[:2])
    rows[1].update(changes)
    with pytest.raises(MlflowException, match=message) as caught:
        answer(classifier, rows)
    assert caught.value.error_code == "INVALID_PARAMETER_VALUE"


def test_a_missing_column_is_named(classifier: pyfunc.SequenceClassifier, toy: ToyExport) -> None:
    row = {name: value for name, value in toy.rows[0].items() if name != "word-1.a"}
    with pytest.raises(MlflowException, match=r"\['word-1.a'\] are missing"):
        answer(classifier, [row])


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
    bad = {**toy.rows[0], "motion": [[1, 2]]}
    with pytest.raises(urllib.error.HTTPError) as caught:
        post(served, {"dataframe_records": [bad]})
    with caught.value as response:
        assert response.code == 400
        assert "row 0, motion: expected steps of 3 numbers" in json.load(response)["message"]
