"""A run that SIGTERM or Ctrl-C ends says so truly everywhere, and leaves no process."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from mlflow import MlflowClient

from pipelines.work_directory import ERROR, Outcome
from tests.components.worker_commands import children_of, runs, wait_for
from tests.integration.conftest import Project, make_project


def _has_saved(project: Project) -> bool:
    return any(project.work.artifacts.glob("model/*.partial/checkpoints/model.ckpt-*.index"))


@dataclass(frozen=True)
class Ended:
    """A run that a signal ended while it was training."""

    project: Project
    number: signal.Signals
    children: set[int]
    exit_code: int
    output: str

    @property
    def outcome(self) -> Outcome:
        (run_id,) = self.project.work.run_ids()
        outcome = self.project.work.find_outcome(run_id)
        assert outcome is not None, self.output
        return outcome


@pytest.fixture(scope="module", params=[signal.SIGTERM, signal.SIGINT], ids=["sigterm", "ctrl-c"])
def ended(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ended]:
    """It has started a Prefect server for itself, as a newcomer's run does."""
    root = tmp_path_factory.mktemp("ended")
    project = make_project(root, server="")
    project.edit(training={"max_steps": 1_000_000, "early_stopping_patience_steps": None})
    environment = {**project.environment, "PREFECT_HOME": str(root / "prefect")}
    del environment["PREFECT_API_URL"]
    with (
        (root / "output").open("w+") as output,
        subprocess.Popen(
            project.command("run", "config.yaml", "--set", "tags={team: a b}"),
            cwd=root, env=environment, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
            # A test run in the background ignores Ctrl-C, and its children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process,
    ):  # fmt: skip
        try:
            wait_for(lambda: _has_saved(project) or process.poll() is not None)
            children = children_of(process.pid)
            process.send_signal(request.param)
            exit_code = process.wait(timeout=300)
            output.seek(0)
            yield Ended(project, request.param, children, exit_code, output.read())
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def test_the_run_ends_with_the_status_of_its_signal_and_leaves_no_process(ended: Ended) -> None:
    assert ended.exit_code == 128 + ended.number, ended.output
    assert ended.children, "the ephemeral server is a child of the run"
    wait_for(lambda: not any(map(runs, ended.children)))
    assert _has_saved(ended.project)


def test_it_says_what_is_kept_and_how_to_go_on(ended: Ended) -> None:
    name = {signal.SIGTERM: "SIGTERM", signal.SIGINT: "Ctrl-C"}[ended.number]
    last = ended.output.strip().splitlines()[-1]
    assert last == (
        f"rnnflow: stopped by {name}. Kept: rows, examples, drift; of a training, what its last "
        "checkpoint holds. Go on with: rnnflow run config.yaml --set 'tags={team: a b}'"
    )
    assert "Traceback" not in ended.output


def test_its_outcome_is_that_a_person_ended_it(ended: Ended) -> None:
    outcome = ended.outcome
    assert (outcome.status, outcome.exit_code) == ("interrupted", ended.exit_code)
    assert outcome.reason.startswith("Stopped by ")
    assert [stage.name for stage in outcome.stages] == ["rows", "examples", "drift"]
    # Nothing went wrong that a trace would explain.
    assert not (ended.project.work.runs / outcome.run_id / ERROR).exists()


def test_mlflow_has_it_and_its_stage_as_killed(ended: Ended) -> None:
    client = MlflowClient(ended.project.work.tracking_uri)
    parent = client.get_run(str(ended.outcome.mlflow_run_id))
    assert parent.info.status == "KILLED"
    assert parent.data.tags["rnnflow.status"] == "interrupted"
    query = f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    nested = client.search_runs([parent.info.experiment_id], query)
    found = {run.data.tags["rnnflow.stage"]: run.info.status for run in nested}
    assert found == {
        "rows": "FINISHED", "examples": "FINISHED", "drift": "FINISHED", "model": "KILLED",
    }  # fmt: skip


def test_prefect_has_it_as_cancelled(ended: Ended) -> None:
    database = ended.project.root / "prefect" / "prefect.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT state_type FROM flow_run").fetchall() == [("CANCELLED",)]


def test_status_shows_it(ended: Ended) -> None:
    shown = ended.project.call("status")
    assert shown.returncode == 0, shown.stderr
    assert "interrupted" in shown.stdout
