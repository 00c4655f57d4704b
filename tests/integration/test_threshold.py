"""A threshold of two labels through the real flow: what is scored, exported and served is one."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml
from pydantic import TypeAdapter

from components.artifacts.predictions import PredictionTable, read_predictions
from components.artifacts.values import ChampionMetrics, Threshold
from components.data.sources.source import Record
from components.errors import ConfigError
from components.export.batch_prediction import Predictor
from components.serving.faults import parse_rows
from components.serving.limits import Batching, Limits
from components.serving.served_model import ServedModel
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project

CONFIG = """
name: alarms
data: {train: alarms.jsonl}
features: {sequence: {pulse: {kind: numeric}}}
model: {units: [8], optimizer: {learning_rate: 0.02}}
training:
  {max_steps: 60, evaluate_every_steps: 30, refit: true, temperature_scaling: true}
metrics: {costs: {"yes": {"no": 10}, "no": {"yes": 1}}}
threshold: {positive: "yes", aim: cost}
gate:
  {bounds: {expected_cost: {max: 1.5}}, min_examples: 10, compare_by: expected_cost}
"""


def make_rows() -> list[dict[str, Any]]:
    """A fifth are alarms, of which half look like the others."""
    draw = random.Random(5)
    rows = []
    for number in range(400):
        label = "yes" if number % 5 == 0 else "no"
        center = 1.5 if label == "yes" else 0.0
        steps = draw.randint(2, 6)
        pulse = [round(draw.gauss(center, 1.5), 3) for _ in range(steps)]
        rows.append({"id": f"row-{number}", "label": label, "sequence": {"pulse": pulse}})
    return rows


ROWS = make_rows()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    root = tmp_path_factory.mktemp("alarms")
    (root / "alarms.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (root / "config.yaml").write_text(CONFIG)
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


def _threshold(outcome: Outcome) -> Threshold:
    content = (_artifact(outcome, "threshold") / "threshold.json").read_bytes()
    return TypeAdapter(Threshold).validate_json(content)


def _scored(outcome: Outcome) -> PredictionTable:
    assert outcome.metrics is not None
    return read_predictions(Path(outcome.metrics.predictions_path))


def test_the_gate_scores_the_answers_of_the_threshold(first: Outcome) -> None:
    threshold, table = _threshold(first), _scored(first)
    assert threshold.aim == "cost"
    assert not threshold.note
    positive = table.probabilities[:, table.classes.index("yes")]
    answers = ["yes" if each >= threshold.value else "no" for each in positive]
    assert list(table.predicted) == answers
    # So that it matters what is served.
    assert table.predicted_index.tolist() != table.probabilities.argmax(axis=1).tolist()
    assert first.metrics is not None
    paid = [
        {("yes", "no"): 10, ("no", "yes"): 1}.get(pair, 0)
        for pair in zip(table.labels, answers, strict=True)
    ]
    assert first.metrics.overall["expected_cost"].value == pytest.approx(np.mean(paid))


def test_what_is_exported_predicted_and_served_is_what_was_scored(
    project: Project, first: Outcome, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = _scored(first)
    rows = {row["id"]: row for row in ROWS}
    asked = [rows[row_id] for row_id in table.ids]
    saved = _artifact(first, "export") / "saved_model"

    records = [Record(number, b"", row) for number, row in enumerate(asked)]
    predicted = [answer.label for answer in Predictor(saved).predict(records)]
    assert predicted == list(table.predicted)

    model = ServedModel("alarms", 1, saved, Limits(), Batching())
    scores = asyncio.run(model.score(parse_rows(asked, model.form)))
    model.retire()
    assert [model.labels[each.class_ids] for each in scores] == predicted

    pulses = tf.ragged.constant([row["sequence"]["pulse"] for row in asked], dtype=tf.float32)
    answer = tf.saved_model.load(str(saved)).signatures["raw"](
        lengths=pulses.row_lengths(), pulse=pulses.to_tensor()[:, :, tf.newaxis]
    )
    assert [name.decode() for name in answer["classes"].numpy()] == predicted
    assert answer["class_ids"].numpy().tolist() == table.predicted_index.tolist()

    # Not by `set_tracking_uri`, which would stay set for the tests that follow.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", project.work.tracking_uri)
    frame = pd.DataFrame([row["sequence"] for row in asked])
    served = mlflow.pyfunc.load_model("models:/alarms@champion").predict(frame)
    assert served["label"].tolist() == predicted


def test_the_report_and_mlflow_show_the_threshold(project: Project, first: Outcome) -> None:
    threshold = _threshold(first)
    page = (project.work.runs / first.run_id / "report.html").read_text()
    assert "<h2>The threshold</h2>" in page
    assert f"{threshold.value:.4f}" in page
    (stage,) = (each for each in first.stages if each.name == "threshold")
    assert stage.summary.startswith(f"'yes' from {threshold.value:.4g} on, by cost; precision")
    run = mlflow.MlflowClient(project.work.tracking_uri).get_run(str(first.mlflow_run_id))
    assert run.data.metrics["threshold/value"] == pytest.approx(threshold.value)
    assert run.data.metrics["test/expected_cost"] > 0


def test_another_aim_trains_nothing_and_meets_the_champion_at_its_own_threshold(
    project: Project, first: Outcome
) -> None:
    values = yaml.safe_load(project.config.read_text())
    values["threshold"] = {"positive": "yes", "aim": "recall_at_precision", "precision": 0.9}
    project.config.write_text(yaml.safe_dump(values))
    second = project.run()
    project.config.write_text(CONFIG)
    reused = {stage.name for stage in second.stages if stage.reused}
    assert {"examples", "model"} <= reused
    assert {"threshold", "metrics", "champion_metrics", "export"}.isdisjoint(reused)
    # Without a threshold for the cost it answers fewer alarms, which costs more.
    assert second.status == "refused"
    stored = json.loads((_artifact(second, "champion_metrics") / "comparison.json").read_text())
    compared = TypeAdapter(ChampionMetrics).validate_python(stored)
    champion = read_predictions(_artifact(second, "champion_metrics") / "predictions.parquet")
    scored = _scored(first)
    answers = dict(zip(champion.ids, champion.predicted, strict=True))
    assert [answers[row_id] for row_id in scored.ids] == list(scored.predicted)
    assert not compared.same_model
    assert compared.paired_costs is not None
    assert compared.paired_costs.mean_difference < 0
    assert "of the largest cost more on average" in second.reason


def test_a_label_that_is_not_there_stops_the_run_before_the_training(project: Project) -> None:
    values = yaml.safe_load(CONFIG)
    values["threshold"]["positive"] = "maybe"
    values["metrics"]["costs"]["perhaps"] = {"yes": 2}
    project.config.write_text(yaml.safe_dump(values))
    with pytest.raises(ConfigError) as caught:
        project.run()
    project.config.write_text(CONFIG)
    assert str(caught.value) == (
        "the config has 2 faults with these rows:\n"
        "  metrics.costs.perhaps: there is no such label; the labels are 'no', 'yes'\n"
        "  threshold.positive: there is no such label; the labels are 'no', 'yes'; got 'maybe'"
    )
