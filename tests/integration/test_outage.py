"""A server that dies in the middle of a run: training goes on, nothing is lost.

The first run waits for MLflow in vain, the second until it is back; a third one waits for Prefect.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import RegistryError
from pipelines.work_directory import JOURNAL, Outcome
from tests.components.mlflow_server import MlflowServer
from tests.components.worker_commands import wait_for
from tests.integration.conftest import Project, make_project
from tests.pipelines.conftest import write_small_project
from tests.prefect_server import PrefectServer

pytest_plugins = ["tests.components.mlflow_fixtures"]

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


def _start_when_needed(project: Project, server: MlflowServer) -> None:
    """Starts the server when the second run has come to the first stage that needs it."""
    wait_for(lambda: len(project.work.run_ids()) == 2)
    journal = project.work.run() / JOURNAL
    wait_for(lambda: journal.is_file() and '"name": "champion"' in journal.read_text())
    server.start()


@pytest.fixture(scope="module")
def outage(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Iterator[Outage]:
    folder = tmp_path_factory.mktemp("outage")
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"))
    server.start()
    project = make_project(folder, prefect_server)
    project.edit(
        training={"max_steps": MAX_STEPS, "early_stopping_patience_steps": None},
        launch={"server_wait_seconds": 1.0},
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        killer = threading.Thread(target=_kill_while_training, args=(project, server), daemon=True)
        killer.start()
        with pytest.raises(RegistryError) as caught:
            project.run()
        killer.join()
        first = project.work.find_outcome(project.work.run().name)
        assert first is not None
        project.edit(launch={"server_wait_seconds": 300.0})
        starter = threading.Thread(target=_start_when_needed, args=(project, server), daemon=True)
        starter.start()
        try:
            yield Outage(project, server, caught.value, first, project.run())
        finally:
            starter.join()
            server.kill()


def _found(client: MlflowClient, query: str) -> Run:
    """The only run of which it is true."""
    experiment = client.get_experiment_by_name("japanese-vowels")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id], query)
    return run


def test_training_and_evaluation_end_although_the_server_died(outage: Outage) -> None:
    assert [stage.name for stage in outage.first.stages] == [
        "rows", "examples", "drift", "model", "metrics", "baseline",
    ]  # fmt: skip
    model = {stage.name: stage for stage in outage.first.stages}["model"]
    assert (Path(str(model.artifact)) / "_SUCCESS").is_file()


def test_the_run_says_which_server_is_away_and_that_events_wait(outage: Outage) -> None:
    assert outage.server.uri in str(outage.error)
    assert outage.first.status == "failed"
    assert outage.first.unsent_events > 0


def test_the_next_run_reuses_what_was_made_waits_for_the_server_and_promotes(
    outage: Outage,
) -> None:
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


# A verb that stops after the first stage, which needs neither Beam nor TensorFlow.
_READ = "from pipelines.cli import main, runs; runs._stage_verb('read', 'rows', ''); main()"


def test_a_run_survives_that_its_prefect_server_is_killed_and_started_again(
    tmp_path: Path, store: str
) -> None:
    server = PrefectServer(tmp_path)
    project = write_small_project(tmp_path, server.address, "killed-prefect")
    environment = {**project.environment, "MLFLOW_TRACKING_URI": store}
    command = [sys.executable, "-c", _READ, "read", str(project.config)]
    server.start()
    try:
        with subprocess.Popen(
            command, cwd=tmp_path, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as run:  # fmt: skip
            wait_for(lambda: bool(project.work.run_ids()) or run.poll() is not None)
            server.kill()
            # With the outcome, nothing but the report to Prefect is left.
            wait_for(lambda: _outcome(project) is not None or run.poll() is not None)
            assert run.poll() is None, "the run waits for its server"
            server.start()
            output, _ = run.communicate()
        assert run.returncode == 0, output
        lines = output.splitlines()
        assert sum("does not answer" in line for line in lines) == 1, output
        assert sum("answers again" in line for line in lines) == 1, output
        assert "Traceback" not in output
        assert "Error logging" not in output
        outcome = _outcome(project)
        assert outcome is not None
        assert outcome.status == "done"
        with (
            temporary_settings({PREFECT_API_URL: server.address}),
            get_client(sync_client=True) as client,
        ):
            flow_run = client.read_flow_run(UUID(outcome.flow_run_id))
        assert flow_run.state_name == "Completed"
    finally:
        server.kill()


def _outcome(project: Project) -> Outcome | None:
    return project.work.find_outcome(project.work.run().name)
