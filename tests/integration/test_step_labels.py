"""Rows with a label at each step, through the real flow: promoted, answered, and compared."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml

from components.artifacts.predictions import StepPredictions, read_predictions
from components.artifacts.schema import load_schema
from components.metrics import metrics_of
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project

EXAMPLES = Path(__file__).parents[2] / "examples"
MAKE_ROWS = runpy.run_path(str(EXAMPLES / "make_activities.py"))["make_rows"]
ROWS: list[dict[str, Any]] = list(MAKE_ROWS(90, seed=3))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    """The example's config, on fewer rows, with a smaller network and two faults in the rows."""
    root = tmp_path_factory.mktemp("steps")
    short = {**ROWS[0], "id": "short", "label": ROWS[0]["label"][:-1]}
    gap = {**ROWS[1], "id": "gap", "label": [None, *ROWS[1]["label"][1:]]}
    lines = [json.dumps(row) + "\n" for row in [*ROWS, short, gap]]
    (root / "activities.jsonl").write_text("".join(lines))
    values = yaml.safe_load((EXAMPLES / "activities.yaml").read_text())
    values["data"] |= {"bad_rows_allowed_fraction": 0.05}
    values["model"] |= {"units": [16]}
    values["model"]["loss"]["class_weights"] = "balanced"
    values["model"]["optimizer"]["learning_rate"] = 0.01
    values["training"] |= {"max_steps": 60, "evaluate_every_steps": 30}
    values["gate"] = {"bounds": {"accuracy": {"min": 0.6}}, "min_examples": 10}
    (root / "config.yaml").write_text(yaml.safe_dump(values))
    return Project(root, prefect_server)


@pytest.fixture(scope="module")
def first(project: Project) -> Outcome:
    outcome = project.run()
    assert outcome.status == "promoted", outcome.reason
    return outcome


def _artifact(outcome: Outcome, stage: str) -> Path:
    made = outcome.artifact(stage)
    assert made is not None
    return made


def test_every_step_of_the_test_rows_is_measured(first: Outcome) -> None:
    assert first.metrics is not None
    of_any_labels = {key for key, each in metrics_of("per_step").items() if each.needs is None}
    of_more = {"macro_roc_auc", "macro_average_precision"}
    assert set(first.metrics.overall) == of_any_labels | of_more
    table = read_predictions(Path(first.metrics.predictions_path))
    assert isinstance(table, StepPredictions)
    labels = {row["id"]: tuple(row["label"]) for row in ROWS}
    ends = np.cumsum(table.steps)
    for row_id, end, steps in zip(table.ids, ends, table.steps, strict=True):
        assert table.labels[end - steps : end] == labels[row_id]
    assert first.metrics.overall["accuracy"].value == pytest.approx(table.correct.mean())


def test_labels_that_do_not_fit_their_steps_are_dead_letters(first: Outcome) -> None:
    path = _artifact(first, "examples") / "dead_letters.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    steps = len(ROWS[0]["label"])
    assert [(entry["line"], entry["reason"]) for entry in found] == [
        (
            91,
            f"'label' has another length than the sequences: {steps - 1} labels and {steps} steps",
        ),
        (92, "'label' is missing at a step: at step 0"),
    ]


def test_predict_answers_each_step_of_rows_of_any_length(project: Project, first: Outcome) -> None:
    asked = [
        {
            "id": row["id"],
            "sequence": {name: steps[:end] for name, steps in row["sequence"].items()},
        }
        for row, end in zip(ROWS[:3], (30, 1, 7), strict=True)
    ]
    (project.root / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    done = project.call("predict", "activities", "asked.jsonl", "--top-k", "2")
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(answer["label"]) for answer in answers] == [30, 1, 7]
    for answer in answers:
        for label, confidence, probabilities in zip(
            answer["label"], answer["confidence"], answer["probabilities"], strict=True
        ):
            assert max(probabilities, key=probabilities.__getitem__) == label
            assert (probabilities[label], len(probabilities)) == (confidence, 2)


def test_the_saved_model_and_mlflow_answer_alike(
    project: Project, first: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = _artifact(first, "export") / "saved_model"
    assert load_schema(saved / "assets.extra").label == "per_step"
    rows = [{name: row["sequence"][name][:end] for name in row["sequence"]}
            for row, end in zip(ROWS[:2], (4, 6), strict=True)]  # fmt: skip
    padded = {
        name: tf.ragged.constant([row[name] for row in rows], dtype=tf.float32).to_tensor()
        for name in rows[0]
    }
    raw = {name: values[:, :, tf.newaxis] for name, values in padded.items()}
    serve = tf.saved_model.load(str(saved)).signatures["raw"]
    answer = serve(lengths=tf.constant([4, 6], tf.int64), **raw)
    assert answer["lengths"].numpy().tolist() == [4, 6]
    assert answer["classes"].numpy()[0].tolist()[4:] == [b"", b""]
    assert answer["probabilities"].numpy()[0, 4:].sum() == 0
    # Not by `set_tracking_uri`, which would stay set for the tests that follow.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.work.tracking_uri)
    served = mlflow.pyfunc.load_model("models:/activities@champion").predict(pd.DataFrame(rows))
    for index, end in enumerate((4, 6)):
        expected = [name.decode() for name in answer["classes"].numpy()[index, :end]]
        assert served["label"][index] == expected
        assert len(served["probabilities"][index]) == end


def test_a_second_model_is_compared_with_the_champion_by_rows(
    project: Project, first: Outcome
) -> None:
    project.edit(seed=8, training={"max_steps": 10, "evaluate_every_steps": 10})
    second = project.run()
    assert second.status == "refused"
    assert second.decision is not None
    (rule,) = [rule for rule in second.decision.rules if rule.rule == "champion"]
    assert not rule.passed
    assert "the share of a row's steps that are right differs by" in rule.reason
    assert second.metrics is not None
    assert second.metrics.examples == len(read_predictions(Path(second.metrics.predictions_path)))
