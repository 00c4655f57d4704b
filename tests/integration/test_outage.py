"""A tracking server that dies in the middle of a run: training goes on, nothing is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from components.errors import RegistryError
from pipelines.work_directory import Outcome
from tests.components.mlflow_server import MlflowServer
from tests.integration.conftest import Project, make_project

MAX_STEPS = 300


@dataclass(frozen=True)
class Outage:
    """A run whose server was killed while it trained, and the run after the server came back."""

    project: Project
    server: MlflowServer
    error: RegistryError
    first: Outcome
    second: Outcome


def _kill_while_training(project: Project, server: MlflowServer) -> None:
    while not list(project.work.artifacts.glob("model/*.partial/history.jsonl")):
        time.sleep(0.02)
    server.kill()


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Outage]:
    folder = tmp_path_factory.mktemp("outage")
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    project = make_project(folder, prefect_server)
    project.edit(training={"max_steps": MAX_STEPS, "early_stopping_patience_steps": None})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        killer = threading.Thread(target=_kill_while_training, args=(project, server), daemon=True)
        killer.start()
        with pytest.raises(RegistryError) as caught:
            project.run()
        killer.join()
        first = project.work.find_outcome(project.work.run().name)
        assert first is not None
        try:
            server.start()
            yield Outage(project, server, caught.value, first, project.run())
        finally:
            server.kill()


def _found(client: MlflowClient, query: str) -> Run:
    """The only run of which it is true."""
    experiment = client.get_experiment_by_name("japanese-vowels")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], query)
    return run


def test_training_and_evaluation_end_although_the_server_died(outage: Outage) -> None:
    assert [stage.name for stage in outage.first.stages] == ["rows", "examples", "model", "metrics"]
    model = {stage.name: stage for stage in outage.first.stages}["model"]
    assert (Path(str(model.artifact)) / "_SUCCESS").is_file()


def test_the_run_says_which_server_is_away_and_that_events_wait(outage: Outage) -> None:
    assert outage.server.uri in str(outage.error)
    assert outage.first.status == "failed"
    assert outage.first.unsent_events > 0


def test_the_next_run_reuses_what_was_made_and_promotes(outage: Outage) -> None:
    reused = {stage.name for stage in outage.second.stages if stage.reused}
    assert {"examples", "model", "metrics"} <= reused
    assert outage.second.status in ("promoted", "refused")
    assert outage.second.unsent_events == 0


def test_what_the_server_missed_is_there_once_and_in_order(outage: Outage) -> None:
    client = MlflowClient(outage.server.uri)
    # The server may have died before it heard of the run: then the outcome does not know its id.
    first = _found(client, f"tags.`rnnflow.run_id` = '{outage.first.run_id}'")
    assert first.info.status == "FAILED"
    assert first.data.tags["rnnflow.status"] == "failed"
    nested = f"tags.`mlflow.parentRunId` = '{first.info.run_id}'"
    model = _found(client, f"{nested} and tags.`rnnflow.stage` = 'model'")
    losses = client.get_metric_history(model.info.run_id, "train/loss")
    assert [point.step for point in losses] == list(range(10, MAX_STEPS + 1, 10))
