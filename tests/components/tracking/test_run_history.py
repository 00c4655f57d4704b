from __future__ import annotations

from pathlib import Path

import pytest

from components.errors import RegistryError
from components.tracking.client import connect, ensure_experiment
from components.tracking.run_history import recent_runs
from components.tracking.tracker import RUN_ID_TAG, Point, Tracker
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


def test_the_last_pipeline_runs_are_listed_newest_first_without_their_stages(
    store: str, tmp_path: Path
) -> None:
    for number in range(3):
        path = tmp_path / "runs" / str(number) / "tracking.jsonl"
        tracker = Tracker(path, store, tmp_path.name)
        tags = {RUN_ID_TAG: f"run-{number}", "rnnflow.status": "running"}
        tracker.start_run("pipeline", f"run-{number}", None, tags)
        tracker.start_run("model", "model", "pipeline", {})
        tracker.log_params("pipeline", {"seed": number})
        tracker.log_metrics("pipeline", [Point("test/accuracy", 0.9, 0, 1_000)])
        tracker.end_run("pipeline", "FINISHED", {"rnnflow.status": "promoted"})
    client = connect(store)
    client.create_run(ensure_experiment(client, tmp_path.name), run_name="somebody else's")
    sweep = Tracker(tmp_path / "sweep" / "tracking.jsonl", store, tmp_path.name)
    sweep.start_run("sweep", "sweep", None, {})
    last, before = recent_runs(store, tmp_path.name, 2)
    assert (last.name, before.name) == ("run-2", "run-1")
    assert last.params == {"seed": "2"}
    assert last.metrics == {"test/accuracy": 0.9}
    assert last.tags["rnnflow.status"] == "promoted"
    assert last.status == "FINISHED"


def test_an_experiment_without_runs_has_none(store: str) -> None:
    assert recent_runs(store, "never used", 5) == ()


def test_an_absent_server_is_a_registry_error() -> None:
    with pytest.raises(RegistryError, match="does not answer"):
        recent_runs(f"http://127.0.0.1:{free_port()}", "x", 5)
