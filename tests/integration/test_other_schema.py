"""A config whose features are others than those of the champion, through the real flow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from components.errors import DataError
from pipelines.commands import models
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project

AGE = {"Alter (Jahre)": {"kind": "numeric"}}
CITY = {"city": {"kind": "categorical"}}


def _row(number: int, width: int) -> dict[str, Any]:
    """Who runs has a faster pulse; the age says nothing."""
    runs = number % 2 == 0
    pulses = [80.0 + step if runs else 60.0 + step for step in range(3 + number % 4)]
    return {
        "id": f"r{number}",
        "label": "run" if runs else "walk",
        "context": {"Alter (Jahre)": 20 + number % 50, "city": ["Kiel", "Bonn"][number % 3 == 0]},
        "sequence": {"puls: µV": pulses if width == 1 else [[pulse] * width for pulse in pulses]},
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    root = tmp_path_factory.mktemp("schemas")
    for width in (1, 2):
        lines = (json.dumps(_row(number, width)) + "\n" for number in range(120))
        (root / f"width{width}.jsonl").write_text("".join(lines))
    values = {
        "name": "schemas",
        "data": {"train": "width1.jsonl", "validation_fraction": 0.15, "test_fraction": 0.2},
        "features": {"sequence": {"puls: µV": {"kind": "numeric"}}, "context": {**AGE, **CITY}},
        "model": {"units": [8], "optimizer": {"name": "adam", "learning_rate": 0.02}},
        "training": {"max_steps": 30, "evaluate_every_steps": 15},
        "gate": {"bounds": {"accuracy": {"min": 0.0}}, "min_examples": 10},
    }
    (root / "config.yaml").write_text(yaml.safe_dump(values))
    return Project(root, prefect_server)


@pytest.fixture(scope="module")
def champion(project: Project) -> Outcome:
    """The run that made it."""
    outcome = project.run()
    assert outcome.status == "promoted"
    assert outcome.metrics is not None
    return outcome


def _record(project: Project, outcome: Outcome) -> dict[str, Any]:
    """What MLflow holds of the stage ``champion_metrics``: its parameters and metrics."""
    client = MlflowClient(project.work.tracking_uri)
    parent = client.get_run(str(outcome.mlflow_run_id))
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    (found,) = (
        run
        for run in client.search_runs([parent.info.experiment_id], query)
        if run.data.tags["rnnflow.stage"] == "champion_metrics"
    )
    return {**found.data.params, **found.data.metrics}


def _page(project: Project, outcome: Outcome) -> str:
    return (project.work.runs / outcome.run_id / "report.html").read_text()


def test_a_champion_reads_the_feature_that_the_config_leaves_out(
    project: Project, champion: Outcome
) -> None:
    project.edit(features={"context": CITY})
    outcome = project.run(until="decision")
    project.edit(features={"context": {**AGE, **CITY}})
    assert outcome.decision is not None
    assert outcome.decision.champion_version == 1
    rule = outcome.decision.rules[-1]
    assert rule.rule == "champion"
    assert "no evidence that it is better than champion version 1" in rule.reason
    # On the same rows it reaches what it reached when it was the candidate.
    assert champion.metrics is not None
    record = _record(project, outcome)
    assert record["champion/accuracy"] == champion.metrics.overall["accuracy"].value
    assert record["champion/comparable"] == 1.0


def test_a_champion_that_cannot_read_the_rows_is_replaced_only_if_the_config_says_so(
    project: Project, champion: Outcome
) -> None:
    wide = {"puls: µV": {"kind": "numeric", "width": 2}}
    project.edit(data={"train": "width2.jsonl"}, features={"sequence": wide})
    refused = project.run(until="decision")
    assert refused.status == "refused"
    assert "cannot be compared with champion version 1: it cannot read" in refused.reason
    page = _page(project, refused)
    assert "Version 1 could not be compared with" in page
    assert "gate.champion.if_not_comparable" in page
    record = _record(project, refused)
    assert record["champion/comparable"] == 0.0
    assert "puls: µV has a wrong width: 2 instead of 1" in record["champion.not_comparable"]

    gate = {"bounds": {"accuracy": {"min": 0.0}}, "min_examples": 10}
    project.edit(gate={**gate, "champion": {"if_not_comparable": "bounds_alone"}})
    passed = project.run(until="decision")
    assert passed.decision is not None
    assert passed.decision.promoted
    assert [stage.reused for stage in passed.stages if stage.name == "champion_metrics"] == [True]


def test_rows_of_another_schema_are_answered_with_what_the_model_reads(
    project: Project, champion: Outcome, tmp_path: Path
) -> None:
    pulse = "puls: µV"
    wanted = (
        rf"{pulse} has a wrong width: .*\. schemas version 1 reads sequence {pulse} \(1 number\); "
    )
    with pytest.raises(DataError, match=wanted):
        models.predict(
            "schemas", project.root / "width2.jsonl", tmp_path / "out", project.work.root
        )
