"""Findings in MLflow, in an experiment of their own."""

from __future__ import annotations

import json

from components.monitoring.record import record
from components.tracking.client import connect, find_experiment
from components.tracking.values import NOTE_TAG
from tests.components.monitoring.test_findings import CHECK, FEEDBACK

pytest_plugins = ["tests.components.mlflow_fixtures"]

NAME = "recorded"  # the store is shared: no other module has this name


def test_a_check_and_a_feedback_are_runs_with_their_figures(store: str) -> None:
    runs = [record(NAME, CHECK, "drift", store), record(NAME, FEEDBACK, "right", store)]
    client = connect(store)
    experiment = find_experiment(client, "recorded-served")
    assert experiment is not None
    assert find_experiment(client, NAME) is None
    note = client.get_experiment(experiment).tags[NOTE_TAG]
    assert note.startswith("What is served of `recorded`")
    check, feedback = (client.get_run(each) for each in runs)
    assert (check.info.experiment_id, check.info.status) == (experiment, "FINISHED")
    assert (check.data.tags["rnnflow.served"], check.data.tags[NOTE_TAG]) == ("check", "drift")
    assert check.data.metrics == {
        "drift/alarms": 1.0,
        "drift/checks": 1.0,
        "drift/largest_distance": 0.3,
        "drift/rows": 200.0,
        "drift/distance/value of age": 0.3,
        "answers/label_distance": 0.25,
        "answers/share/yes": 0.75,
        "answers/share/no": 0.25,
        "answers/rows/version_4": 200.0,
        "answers/estimated_accuracy/version_4": 0.875,
    }
    assert feedback.data.metrics == {
        "feedback/labelled": 50.0,
        "feedback/unmatched": 10.0,
        "feedback/rows/version_4": 40.0,
        "feedback/accuracy/version_4": 0.8,
        "feedback/accuracy/version_4/low": 0.7,
        "feedback/accuracy/version_4/high": 0.9,
    }
    path = client.download_artifacts(runs[1], "feedback.json")
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        assert json.load(file)["matched"] == 40
