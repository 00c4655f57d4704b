"""One run: every way to end leaves an outcome, a report and a lock that is free."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed

from components.artifacts.history import append_point
from components.artifacts.values import Decision, Metrics, Rows
from components.errors import BusyError, ClusterError, DataError
from components.workers.cluster import WorkerCluster
from components.workers.rendezvous import Follower, Order
from pipelines import tasks
from pipelines.config import load_config
from pipelines.pipeline_run import EXIT_CODES, PipelineRun
from pipelines.stage_records import record_decision, record_metrics, record_rows
from pipelines.stages import stage
from pipelines.work_directory import (
    CONFIG,
    ERROR,
    REPORT,
    Outcome,
    StageOutcome,
    WorkDirectory,
    new_run_id,
)
from tests.components.mlflow_server import free_port
from tests.pipelines.samples import PROMOTED, PROPOSED, REFUSED, UNCHANGED
from tests.projects import Project

pytest_plugins = ["tests.components.mlflow_fixtures"]


def _pipeline_run(config: str, work_dir: str, run_id: str, until: str | None = None) -> PipelineRun:
    return PipelineRun(
        load_config(Path(config)), WorkDirectory(Path(work_dir)), run_id, until=until
    )


def _decided(decision: Decision, values: dict[str, Any], until: str | None = None) -> Any:
    """A flow that does nothing but decide; ``values`` are what its earlier stages made."""

    @stage("decision", record_decision, outcome="decision")
    def decide() -> Decision:
        return decision

    @stage("measuring", record_metrics, outcome="metrics")
    def measure() -> Metrics:
        metrics: Metrics = values["metrics"]
        return metrics

    @flow(name="deciding", persist_result=False)
    def deciding(config: str, work_dir: str, run_id: str) -> State[Any]:
        with _pipeline_run(config, work_dir, run_id, until=until) as run:
            run.values.update(values)
            run.stage(measure)
            run.stage(decide)
        return run.final_state()

    return deciding


def _failing(error: BaseException) -> Any:
    @stage("rows", record_rows)
    def read() -> None:
        raise error

    @flow(name="failing", persist_result=False)
    def failing(config: str, work_dir: str, run_id: str) -> State[Any]:
        with _pipeline_run(config, work_dir, run_id) as run:
            run.stage(read)
        return Completed()

    return failing


def _end(project: Project, a_flow: Any) -> tuple[State[Any], Outcome]:
    run_id = new_run_id()
    state = a_flow(str(project.config), str(project.work.root), run_id, return_state=True)
    outcome = project.work.find_outcome(run_id)
    assert outcome is not None
    return state, outcome


def _can_be_locked(project: Project) -> bool:
    with project.work.lock("another"):
        return True


def test_a_run_that_stops_early_is_done_and_says_what_it_did(
    small: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = small.run(until="rows")
    assert (outcome.status, outcome.exit_code) == ("done", 0)
    assert outcome.reason.startswith("Done up to rows")
    (stage,) = outcome.stages
    assert (stage.name, stage.reused, stage.artifact) == ("rows", False, None)
    assert stage.summary.startswith("1 file,")
    assert outcome.mlflow_run_id is not None
    assert outcome.prefect_url is not None
    assert outcome.unsent_events == 0
    assert " rows " in capsys.readouterr().out
    assert _can_be_locked(small)


def test_the_config_of_a_run_is_kept_as_it_was_read(small: Project) -> None:
    config = load_config(small.config)
    outcome = small.run(until="rows")
    small.edit(seed=99)
    assert load_config(small.work.runs / outcome.run_id / CONFIG) == config


def test_a_password_in_the_address_of_mlflow_is_written_nowhere(
    small: Project, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:Vertraulich@{address}")
    outcome = small.run(until="rows")
    assert outcome.tracking_uri == f"http://{address}"
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts()
    assert any(address in str(each.data) for each in artifacts)
    written = [path.read_bytes() for path in small.work.root.rglob("*") if path.is_file()]
    shown = "".join(capfd.readouterr()) + "".join(str(each.data) for each in artifacts)
    assert not any(b"Vertraulich" in content for content in [*written, shown.encode()])


def test_a_promoted_run_ends_completed(small: Project, values: dict[str, Any]) -> None:
    state, outcome = _end(small, _decided(PROMOTED, values))
    assert (state.type.value, state.name) == ("COMPLETED", "Promoted")
    assert (outcome.status, outcome.exit_code) == ("promoted", 0)
    assert outcome.reason == state.message == PROMOTED.reason


def test_a_report_that_cannot_be_written_changes_no_outcome(
    small: Project, values: dict[str, Any], tmp_path: Path
) -> None:
    metrics = dataclasses.replace(values["metrics"], predictions_path=str(tmp_path / "none"))
    state, outcome = _end(small, _decided(PROMOTED, {**values, "metrics": metrics}))
    assert state.name == "Promoted"
    assert (outcome.status, outcome.reason) == ("promoted", PROMOTED.reason)
    assert not (small.work.runs / outcome.run_id / REPORT).exists()


def test_a_run_that_made_the_champion_again_is_unchanged_and_nothing_is_promoted(
    small: Project, values: dict[str, Any]
) -> None:
    state, outcome = _end(small, _decided(UNCHANGED, values))
    assert (state.type.value, state.name) == ("COMPLETED", "Unchanged")
    assert (outcome.status, outcome.exit_code) == ("unchanged", 0)
    assert outcome.reason == state.message == UNCHANGED.reason


def test_a_run_whose_model_waits_for_a_person_came_to_its_end(
    small: Project, values: dict[str, Any]
) -> None:
    state, outcome = _end(small, _decided(PROPOSED, values))
    assert (state.type.value, state.name) == ("COMPLETED", "Proposed")
    assert (outcome.status, outcome.exit_code) == ("proposed", 0)


def test_a_refused_run_came_to_its_end_and_has_a_state_and_an_exit_code_of_its_own(
    small: Project, values: dict[str, Any]
) -> None:
    state, outcome = _end(small, _decided(REFUSED, values))
    assert (state.type.value, state.name) == ("COMPLETED", "Refused")
    assert state.message == REFUSED.reason
    assert (outcome.status, outcome.exit_code) == ("refused", 3)
    assert outcome.decision == REFUSED
    assert outcome.metrics == values["metrics"]
    assert (small.work.runs / outcome.run_id / REPORT).is_file()


@pytest.mark.parametrize(
    ("decision", "status", "exit_code"), [(PROMOTED, "done", 0), (REFUSED, "refused", 3)]
)
def test_a_run_up_to_the_gate_promotes_nothing_and_tells_a_refusal(
    small: Project, values: dict[str, Any], decision: Decision, status: str, exit_code: int
) -> None:
    _, outcome = _end(small, _decided(decision, values, until="decision"))
    assert (outcome.status, outcome.exit_code) == (status, exit_code)
    assert outcome.version is None


@pytest.mark.parametrize(
    ("error", "exit_code", "reason"),
    [
        (DataError("no rows in train.jsonl"), 2, "no rows in train.jsonl"),
        (RuntimeError("what nobody expected"), 1, "RuntimeError: what nobody expected"),
        (RuntimeError(), 1, "RuntimeError: RuntimeError"),
    ],
)
def test_a_failed_run_leaves_its_reason_its_trace_and_a_free_lock(
    small: Project, error: Exception, exit_code: int, reason: str
) -> None:
    state, outcome = _end(small, _failing(error))
    assert state.is_failed()
    assert (outcome.status, outcome.exit_code, outcome.reason) == ("failed", exit_code, reason)
    trace = (small.work.runs / outcome.run_id / ERROR).read_text()
    assert trace.startswith("Traceback")
    assert reason.partition(": ")[2] in trace
    assert _can_be_locked(small)


def test_a_run_is_refused_while_another_holds_the_work_directory(small: Project) -> None:
    with small.work.lock("first"), pytest.raises(BusyError, match="run first"):
        PipelineRun(load_config(small.config), small.work).__enter__()
    assert small.work.run_ids() == []


def test_the_log_has_a_line_a_stage_and_the_progress_of_a_training_once_in_a_while(
    small: Project, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """That Prefect gets the log is seen in ``test_schedule``, on a process of its own."""
    history = tmp_path / "history.jsonl"

    @stage("model", record_rows)
    def train(on_progress: Callable[..., None]) -> Rows:
        for step in (10, 20, 30):
            append_point(history, step, {"train/loss": 1 / step})
            on_progress(history, step, 1000, {"train/loss": 1 / step})
        return Rows((), "digest")

    @flow(name="training", persist_result=False)
    def training(config: str, work_dir: str, run_id: str) -> State[Any]:
        with _pipeline_run(config, work_dir, run_id, until="model") as run:
            run.stage(train, on_progress=run.on_progress)
        return run.final_state()

    _end(small, training)
    lines = [each.getMessage() for each in caplog.records if each.name == "rnnflow"]
    progress, summary = (line for line in lines if line.startswith("model: "))
    assert progress == "model: step 10 of 1,000, train/loss 0.1000"
    assert summary.startswith("model: 0 files, 0.0 MB, digest digest (")


def test_a_start_that_fails_frees_the_lock(small: Project) -> None:
    small.work.root.mkdir()
    (small.work.root / "runs").write_text("a file where a directory belongs")
    with pytest.raises(OSError, match="runs"):
        PipelineRun(load_config(small.config), small.work).__enter__()
    assert _can_be_locked(small)


def test_a_stage_can_be_made_to_run_again(small: Project) -> None:
    """On the one cached stage that needs neither Beam nor TensorFlow: there is no champion."""

    @flow(name="comparing", persist_result=False)
    def comparing(run_id: str, rerun: str | None) -> None:
        with PipelineRun(load_config(small.config), small.work, run_id, rerun=rerun) as run:
            run.stage(tasks.measure_champion, None, None, None, None, None)

    stages: list[StageOutcome] = []
    for rerun in (None, None, "champion_metrics"):
        run_id = new_run_id()
        comparing(run_id, rerun)
        outcome = small.work.find_outcome(run_id)
        assert outcome is not None
        stages.extend(outcome.stages)
    assert [stage.reused for stage in stages] == [False, True, False]
    artifact = Path(str(stages[-1].artifact))
    assert artifact.parent == small.work.artifacts / "champion_metrics"
    assert artifact.is_dir()


def _on_cluster(
    project: Project, monkeypatch: pytest.MonkeyPatch, run: Callable[[], Any]
) -> list[Order]:
    """Runs as worker 0 of three; gives the last orders of the other two, one of them late."""
    cluster = WorkerCluster(("a:1", "b:2", "c:3"), 0)
    monkeypatch.setenv("TF_CONFIG", cluster.tf_config)
    directory = project.work.cluster / cluster.key
    with ThreadPoolExecutor() as threads:

        def follow(index: int) -> Order:
            follower = Follower(directory, WorkerCluster(cluster.addresses, index))
            return follower.next_order(60.0)

        early = threads.submit(follow, 1)
        while not (directory / "worker-1.json").exists():
            assert not early.done()
        ran = threads.submit(run)
        late = threads.submit(follow, 2)
        ran.result()
        return [early.result(), late.result()]


def test_a_run_that_trains_nothing_lets_the_followers_of_its_cluster_go(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> None:
        assert small.run(until="rows").status == "done"

    orders = _on_cluster(small, monkeypatch, run)
    assert [order.status for order in orders] == ["done", "done"]
    assert "TF_CONFIG" in os.environ


def test_a_run_that_fails_tells_its_followers_why(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = DataError("no rows in train.jsonl")
    cluster = WorkerCluster(("a:1", "b:2"), 0)
    monkeypatch.setenv("TF_CONFIG", cluster.tf_config)
    follower = Follower(small.work.cluster / cluster.key, WorkerCluster(cluster.addresses, 1))
    with ThreadPoolExecutor() as threads:
        order = threads.submit(follower.next_order, 60.0)
        _end(small, _failing(error))
        assert (order.result().status, order.result().reason) == ("failed", str(error))


def test_only_worker_0_runs_the_pipeline(small: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", WorkerCluster(("a:1", "b:2"), 1).tf_config)
    with pytest.raises(ClusterError, match="expected to be worker 0"):
        PipelineRun(load_config(small.config), small.work)


def test_every_status_that_a_run_can_end_with_has_an_exit_code() -> None:
    assert EXIT_CODES == {
        "promoted": 0, "proposed": 0, "unchanged": 0, "done": 0, "refused": 3, "failed": 1,
    }  # fmt: skip
