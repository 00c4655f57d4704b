"""A run that is killed while it trains: the next one continues, and says what happened."""

from __future__ import annotations

import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from components.artifacts.history import HistoryPoint, read_history
from components.artifacts.values import Examples
from components.training.train import train_model
from pipelines.config import load_config
from pipelines.work_directory import Outcome
from tests.integration.conftest import Project, make_project

MAX_STEPS = 600
SAVED = 100
"""A checkpoint that the killed run has written."""


@dataclass(frozen=True)
class Crash:
    """A killed run and the one that followed."""

    project: Project
    killed_run_id: str
    killed_milliseconds: int
    before: tuple[HistoryPoint, ...]
    temporary: int
    """Files, such as TensorFlow's generated code, that the killed run could not remove."""
    outcome: Outcome

    @property
    def artifact(self) -> Path:
        return Path(str({stage.name: stage for stage in self.outcome.stages}["model"].artifact))


def _history(project: Project) -> tuple[HistoryPoint, ...]:
    files = list(project.work.artifacts.glob("model/*.partial/history.jsonl"))
    return read_history(files[0]) if files else ()


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Crash:
    project = make_project(tmp_path_factory.mktemp("crash"), prefect_server)
    project.edit(training={"max_steps": MAX_STEPS, "early_stopping_patience_steps": None})
    with subprocess.Popen(
        project.command("run", str(project.config)),
        cwd=project.root, env=project.environment, stdout=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            while (points := _history(project))[-1:] == () or points[-1].step <= SAVED:
                assert process.poll() is None, "the run ended before it could be killed"
                time.sleep(0.02)
        finally:
            process.send_signal(signal.SIGKILL)
    killed = time.time_ns() // 1_000_000
    (run_id,) = project.work.run_ids()
    before = _history(project)
    temporary = len([path for path in project.work.temporary.rglob("*") if path.is_file()])
    return Crash(project, run_id, killed, before, temporary, project.run(until="model"))


def test_the_killed_run_was_in_the_middle_of_training(crash: Crash) -> None:
    assert SAVED < crash.before[-1].step < MAX_STEPS


def test_nothing_is_preprocessed_again(crash: Crash) -> None:
    assert {stage.name: stage.reused for stage in crash.outcome.stages} == {
        "rows": False,
        "examples": True,
        "drift": False,
        "model": False,
    }


def test_training_continues_from_the_last_checkpoint(crash: Crash) -> None:
    points = read_history(crash.artifact / "history.jsonl")
    steps = [point.step for point in points if "train/loss" in point.metrics]
    assert steps == list(range(10, MAX_STEPS + 1, 10))
    kept = [point for point in points if point.timestamp_milliseconds <= crash.killed_milliseconds]
    assert max(point.step for point in kept) >= SAVED


def test_it_ends_with_the_weights_of_a_run_that_was_not_killed(
    crash: Crash, tmp_path: Path
) -> None:
    import tensorflow as tf

    config = load_config(crash.project.config)
    made = {stage.name: str(stage.artifact) for stage in crash.outcome.stages}
    examples = Examples(path=made["examples"], digest="d")
    whole = train_model(
        examples, config.model, config.training, config.seed, directory=tmp_path / "whole"
    )
    names = [name for name, _ in tf.train.list_variables(str(_last(Path(whole.path))))]
    assert len(names) > 5
    for name in names:
        np.testing.assert_array_equal(
            tf.train.load_variable(str(_last(crash.artifact)), name),
            tf.train.load_variable(str(_last(Path(whole.path))), name),
        )


def _last(model: Path) -> Path:
    return model / "checkpoints" / f"model.ckpt-{MAX_STEPS}"


def test_mlflow_shows_the_killed_run_as_killed(crash: Crash) -> None:
    client = MlflowClient(crash.project.work.tracking_uri)
    experiment = client.get_experiment_by_name("japanese-vowels")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    by_id = {run.data.tags.get("rnnflow.run_id"): run for run in runs}
    killed = by_id[crash.killed_run_id]
    assert killed.info.status == "KILLED"
    assert killed.data.tags["rnnflow.status"] == "killed"
    assert by_id[crash.outcome.run_id].info.status == "FINISHED"
    assert "RUNNING" not in {run.info.status for run in runs}


def test_the_status_agrees_and_nothing_temporary_is_left(crash: Crash) -> None:
    work = crash.project.work
    outcome = work.find_outcome(crash.killed_run_id)
    assert outcome is not None
    assert outcome.status == "killed"
    assert crash.temporary > 0
    assert not list(work.temporary.iterdir())
    assert not list(work.artifacts.glob("*/*.partial"))


def test_the_resumed_run_logs_the_whole_curve(crash: Crash) -> None:
    client = MlflowClient(crash.project.work.tracking_uri)
    parent = str(crash.outcome.mlflow_run_id)
    experiment = client.get_run(parent).info.experiment_id
    (model,) = client.search_runs(
        [experiment],
        f"tags.`mlflow.parentRunId` = '{parent}' and tags.`rnnflow.stage` = 'model'",
    )
    losses = client.get_metric_history(model.info.run_id, "train/loss")
    assert [point.step for point in losses] == list(range(10, MAX_STEPS + 1, 10))


def test_prefect_shows_the_killed_run_as_crashed(crash: Crash) -> None:
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    named = FlowRunFilter(name=FlowRunFilterName(any_=[f"japanese-vowels {crash.killed_run_id}"]))
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(flow_run_filter=named)
    assert run.state is not None
    assert run.state.type.value == "CRASHED"
