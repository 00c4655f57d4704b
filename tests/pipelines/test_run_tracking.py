"""One run in MLflow and the link to it in Prefect; an unreachable server stops nothing."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run

from components.artifacts.history import append_point
from components.artifacts.storage import write_atomically
from components.artifacts.values import Rows, SourceFile, Version
from components.runtime.machine_load import MachineLoad
from components.tracking.journal import Journal
from components.tracking.owner import Owner
from pipelines import run_tracking
from pipelines.config import dump_config, flatten
from pipelines.run_tracking import RunTracking, prefect_address
from pipelines.stage_records import StageRecord
from pipelines.work_directory import CONFIG, JOURNAL, Status, WorkDirectory
from tests.components.mlflow_server import free_port
from tests.components.worker_commands import wait_for
from tests.pipelines.samples import RUN_ID, config
from tests.projects import Project

OWNER = Owner("a" * 32, "host", "boot", "1:2")

pytest_plugins = ["tests.components.mlflow_fixtures"]


def _track(work: WorkDirectory, name: str, use: Callable[[RunTracking], None]) -> str:
    """Calls ``use`` inside a flow run, as a pipeline run does; gives that run's id."""
    ids: list[str] = []

    @flow(persist_result=False)
    def tracked() -> None:
        write_atomically(work.runs / RUN_ID / CONFIG, dump_config(config(name)))
        ids.append(str(flow_run.id))
        use(RunTracking(work, RUN_ID, config(name), OWNER))

    tracked()
    return ids[0]


def _ending(status: Status) -> Callable[[RunTracking], None]:
    def use(tracking: RunTracking) -> None:
        tracking.end(status, "Because.")

    return use


def _runs(store: str, name: str) -> dict[str, Run]:
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    return {run.info.run_name: run for run in found}


def test_a_run_and_its_stages_can_be_read_back(small: Project, store: str, tmp_path: Path) -> None:
    name = small.root.name
    history = tmp_path / "history.jsonl"
    for step in (10, 20):
        append_point(history, step, {"train/loss": 1 / step})
    summary = tmp_path / "report.html"
    summary.write_text("<html></html>")
    log = tmp_path / "worker-0.log"
    log.write_text("what it said last")
    links: list[str | None] = []

    def use(tracking: RunTracking) -> None:
        tracking.stage_started("rows")
        files = (SourceFile("/data/train.jsonl", None, "f" * 64, 10),)
        record = StageRecord("1 file", {"data.digest": "d"}, dataset=Rows(files, "d"))
        tracking.stage_finished("rows", record, True)
        tracking.stage_started("model")
        weights = tmp_path / "model.ckpt-20.index"
        weights.write_text("weights")
        record = StageRecord(
            "gru",
            compared={"best/validation_accuracy": 0.8},
            tags={"rnnflow.data_digest": "d"},
            history=history,
            artifacts=(weights,),
        )
        tracking.stage_finished("model", record, False, tmp_path / "model" / "fingerprint")
        tracking.stage_started("metrics")
        tracking.stage_failed("metrics", [log])
        tracking.log_files([summary])
        assert tracking.end("promoted", "Promoted: " + "x" * 9000) == 0
        links.append(tracking.mlflow_run_id)

    flow_run_id = _track(small.work, name, use)
    runs = _runs(store, name)
    assert sorted(runs) == sorted([RUN_ID, "rows", "model", "metrics"])
    parent = runs[RUN_ID]
    assert parent.info.run_id == links[0]
    assert parent.info.status == "FINISHED"
    assert set(parent.data.params) == set(flatten(config(name))) - {"tags"}
    assert parent.data.metrics == {"best/validation_accuracy": 0.8}
    assert parent.data.tags["rnnflow.data_digest"] == "d"
    assert parent.data.tags["rnnflow.status"] == "promoted"
    assert parent.data.tags["rnnflow.work_dir"] == str(small.work.root)
    assert OWNER.tags().keys() <= parent.data.tags.keys()
    assert parent.data.tags["rnnflow.work_dir_id"] == OWNER.work_dir_id
    assert parent.data.tags["prefect.flow_run_id"] == flow_run_id
    assert parent.data.tags["rnnflow.reason"].startswith("Promoted: ")
    assert parent.inputs is not None
    (given,) = parent.inputs.dataset_inputs
    assert given.dataset.name == f"{name}-train"
    assert runs["rows"].data.params == {"data.digest": "d"}
    assert runs["rows"].data.tags["rnnflow.reused"] == "true"
    assert runs["model"].data.tags["rnnflow.reused"] == "false"
    assert runs["model"].data.metrics == {"train/loss": 0.05}
    assert runs["model"].data.tags["rnnflow.artifact"] == "model/fingerprint"
    assert runs["metrics"].info.status == "FAILED"
    client = MlflowClient(store)
    points = client.get_metric_history(runs["model"].info.run_id, "train/loss")
    assert [point.step for point in points] == [10, 20]
    failed = client.list_artifacts(runs["metrics"].info.run_id)
    assert [item.path for item in failed] == ["worker-0.log"]
    assert {item.path for item in client.list_artifacts(parent.info.run_id)} == {
        "config.yaml",
        "report.html",
    }


def test_a_run_has_the_tags_of_its_config_and_says_which_version_it_made(
    small: Project, store: str
) -> None:
    name = small.root.name
    tagged = dataclasses.replace(config(name), tags={"team": "speech"})

    @flow(persist_result=False)
    def tracked() -> None:
        write_atomically(small.work.runs / RUN_ID / CONFIG, dump_config(tagged))
        tracking = RunTracking(small.work, RUN_ID, tagged, OWNER)
        tracking.end("promoted", "Promoted: yes.", Version(name, 3, ("champion",), False))

    tracked()
    parent = _runs(store, name)[RUN_ID]
    assert parent.data.tags["team"] == "speech"
    assert not [key for key in parent.data.params if key.startswith("tags")]
    note = parent.data.tags["mlflow.note.content"]
    assert note.startswith("Promoted: yes.\n\nModel: [")
    assert f"[{name} version 3](#/models/{name}/versions/3" in note


def test_a_training_is_tracked_with_the_load_of_the_machine(
    small: Project, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_tracking, "MachineLoad", lambda: MachineLoad(every_seconds=0.0))
    history = tmp_path / "history.jsonl"

    def use(tracking: RunTracking) -> None:
        tracking.stage_started("model")
        append_point(history, 10, {"train/loss": 0.5})
        time.sleep(0.05)  # the counters tick every hundredth of a second
        tracking.log_progress("model", history, 10)
        tracking.stage_finished("model", StageRecord("gru", history=history), False)
        tracking.end("done", "Done.")

    _track(small.work, small.root.name, use)
    metrics = _runs(store, small.root.name)["model"].data.metrics
    assert metrics["train/loss"] == 0.5
    assert 0 <= metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100


def test_prefect_links_to_the_run_in_mlflow(small: Project) -> None:
    links: list[str | None] = []

    def use(tracking: RunTracking) -> None:
        links.append(tracking.mlflow_run_id)
        tracking.end("done", "Done.")

    flow_run_id = _track(small.work, small.root.name, use)
    with get_client(sync_client=True) as client:
        found = [each for each in client.read_artifacts() if str(each.flow_run_id) == flow_run_id]
    (artifact,) = found
    assert artifact.key == "mlflow-run"
    assert f"run `{links[0]}`" in str(artifact.data)
    assert f"runs/{RUN_ID}" in str(artifact.data)


def test_the_server_hears_of_a_run_while_it_goes_on(small: Project, store: str) -> None:
    name = small.root.name
    heard: list[str] = []

    @flow(persist_result=False)
    def tracked() -> None:
        write_atomically(small.work.runs / RUN_ID / CONFIG, dump_config(config(name)))
        tracking = RunTracking(small.work, RUN_ID, config(name), OWNER, send_delay_seconds=0.0)
        wait_for(lambda: Journal(small.work.runs / RUN_ID / JOURNAL).unsent() == 0)
        heard.append(_runs(store, name)[RUN_ID].info.status)
        tracking.end("done", "Done.")

    tracked()
    assert heard == ["RUNNING"]


def test_a_failed_run_is_failed_in_mlflow(small: Project, store: str) -> None:
    name = small.root.name
    _track(small.work, name, _ending("failed"))
    parent = _runs(store, name)[RUN_ID]
    assert parent.info.status == "FAILED"
    assert parent.data.tags["rnnflow.status"] == "failed"


def test_a_refused_run_is_finished_in_mlflow_and_its_tag_says_the_rest(
    small: Project, store: str
) -> None:
    name = small.root.name
    _track(small.work, name, _ending("refused"))
    parent = _runs(store, name)[RUN_ID]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["rnnflow.status"] == "refused"


def test_a_server_that_is_away_stops_nothing_and_what_it_missed_is_counted(
    small: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = small.root.name
    unsent: list[int] = []
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")

    def use(tracking: RunTracking) -> None:
        assert tracking.mlflow_run_id is None
        unsent.append(tracking.end("done", "Done."))

    _track(small.work, name, use)
    assert unsent[0] > 0


def test_a_run_has_a_page_in_prefect(prefect_server: str) -> None:
    addresses: list[str | None] = []

    @flow(persist_result=False)
    def addressed() -> None:
        addresses.append(prefect_address())

    addressed()
    assert addresses[0] is not None
    assert addresses[0].startswith("http")
    assert prefect_address() is None
