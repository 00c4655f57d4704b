from __future__ import annotations

import json
import logging
import socket
import time
from pathlib import Path

import pytest

from components.tracking.client import MlflowClient, Run, connect, find_experiment
from components.tracking.journal import Journal
from components.tracking.recovery import replay_pending
from components.tracking.tracker import WORK_DIR_TAG, Point, Tracker
from tests.components.mlflow_server import MlflowServer, free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


def journal_path(work_dir: Path, run: str = "run-1") -> Path:
    return work_dir / "runs" / run / "tracking.jsonl"


def write_history(path: Path, steps: range) -> None:
    with path.open("a") as file:
        for step in steps:
            row = {"step": step, "timestamp_milliseconds": 5_000 + step, "metrics": {"loss": step}}
            file.write(json.dumps(row) + "\n")


def run_of(client: MlflowClient, tracker: Tracker, key: str) -> Run:
    run_id = tracker.run_id(key)
    assert run_id is not None
    return client.get_run(run_id)


def steps_of(client: MlflowClient, run: Run, name: str = "loss") -> list[int]:
    return [one.step for one in client.get_metric_history(run.info.run_id, name)]


def test_a_run_has_a_page_as_soon_as_a_server_has_made_it(
    server: MlflowServer, store: str, tmp_path: Path
) -> None:
    tracker = Tracker(journal_path(tmp_path), server.uri, tmp_path.name)
    assert tracker.page("pipeline") is None
    tracker.start_run("pipeline", "run-1", None, {})
    run = run_of(connect(server.uri), tracker, "pipeline").info
    assert tracker.page("pipeline") == (
        f"{server.uri}/#/experiments/{run.experiment_id}/runs/{run.run_id}"
        "?workflowType=machine_learning"
    )
    database = Tracker(journal_path(tmp_path, "run-2"), store, tmp_path.name)
    database.start_run("pipeline", "run-2", None, {})
    assert database.page("pipeline") is None


def track_a_whole_run(tracker: Tracker, work_dir: Path) -> None:
    artifact = work_dir / "statistics.json"
    artifact.write_text('{"rows": 3}')
    tracker.start_run("pipeline", "run-1", None, {WORK_DIR_TAG: str(work_dir)})
    tracker.log_params("pipeline", {"model.units": (64,), "seed": 7})
    tracker.start_run("model", "model", "pipeline", {"rnnflow.stage": "model"})
    tracker.log_metrics("model", [Point("loss", 1 / (1 + i), i, 9_000 + i) for i in range(2_500)])
    tracker.log_artifact("model", artifact, "data")
    tracker.log_dataset("model", "vowels", "ab" * 32, "train.jsonl", profile={"rows": 3})
    tracker.end_run("model", "FINISHED", {"rnnflow.reused": "false"})
    tracker.end_run("pipeline", "FINISHED", {"rnnflow.status": "refused"})


def assert_the_whole_run_is_there(client: MlflowClient, tracker: Tracker) -> None:
    parent, model = (run_of(client, tracker, key) for key in ("pipeline", "model"))
    assert parent.info.run_name == "run-1"
    assert parent.data.params == {"model.units": "[64]", "seed": "7"}
    assert parent.data.tags["rnnflow.status"] == "refused"
    assert model.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert model.data.tags["rnnflow.reused"] == "false"
    assert steps_of(client, model) == list(range(2_500))
    assert model.inputs is not None
    (dataset,) = model.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.dataset.digest) == ("vowels", "ab" * 18)
    assert dataset.dataset.profile is not None
    assert json.loads(dataset.dataset.profile) == {"digest": "ab" * 32, "rows": 3}
    listed = client.list_artifacts(model.info.run_id, "data")
    assert [one.path for one in listed] == ["data/statistics.json"]
    for run in (parent, model):
        assert run.info.status == "FINISHED"
        assert run.info.start_time <= run.info.end_time


@pytest.fixture
def tracker(tmp_path: Path, store: str) -> Tracker:
    return Tracker(journal_path(tmp_path), store, tmp_path.name)


def test_a_whole_run_is_tracked_in_a_sqlite_store(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    track_a_whole_run(tracker, tmp_path)
    assert tracker.flush() == 0
    assert_the_whole_run_is_there(connect(store), tracker)


def test_texts_of_any_length_and_with_any_character_reach_a_postgresql_store(
    postgresql: str, tmp_path: Path
) -> None:
    long = "größer\0 " * 5_000
    tracker = Tracker(journal_path(tmp_path), postgresql, tmp_path.name)
    tracker.start_run("pipeline", long, None, {"begun": long})
    tracker.log_params("pipeline", {"text": long, long: 1, "list": [long]})
    tracker.log_metrics("pipeline", [Point(long, 1.0, 0, 9_000)])
    # A path has 4,096 bytes at most.
    source = long[:2_000]
    tracker.log_dataset("pipeline", long, "d", source, profile={"why": long}, context=long)
    tracker.end_run("pipeline", "FINISHED", {"ended": long})
    assert tracker.flush() == 0
    assert not Journal(journal_path(tmp_path)).rejected_path.exists()
    run = run_of(connect(postgresql), tracker, "pipeline")
    assert run.info.status == "FINISHED"
    assert run.data.params["text"].startswith("größer\N{SYMBOL FOR NULL} größer")
    assert run.data.tags["begun"].startswith("größer\N{SYMBOL FOR NULL} größer")
    assert run.data.tags["ended"].startswith("größer\N{SYMBOL FOR NULL} größer")
    assert list(run.data.metrics.values()) == [1.0]


def test_the_times_of_a_run_are_those_of_its_events_and_not_of_their_delivery(
    tmp_path: Path, store: str
) -> None:
    path = journal_path(tmp_path)
    unreachable = Tracker(path, f"http://127.0.0.1:{free_port()}", tmp_path.name)
    before = time.time_ns() // 1_000_000
    unreachable.start_run("pipeline", "run", None, {})
    unreachable.end_run("pipeline", "FINISHED")
    after = time.time_ns() // 1_000_000
    tracker = Tracker(path, store, tmp_path.name)
    assert tracker.flush() == 0
    info = run_of(connect(store), tracker, "pipeline").info
    assert before <= info.start_time <= info.end_time <= after


def test_a_history_is_followed_live_and_taken_up_by_another_tracker(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    history = tmp_path / "model.partial" / "history.jsonl"
    history.parent.mkdir()
    tracker.start_run("model", "model", None, {})
    tracker.log_new_history("model", history)
    write_history(history, range(3))
    tracker.log_new_history("model", history)
    write_history(history, range(3, 5))
    moved = history.parent.rename(tmp_path / "model") / history.name
    again = Tracker(journal_path(tmp_path), store, tmp_path.name)
    again.log_new_history("model", moved)
    again.log_new_history("model", moved)
    assert again.flush() == 0
    client = connect(store)
    run = run_of(client, again, "model")
    assert steps_of(client, run) == list(range(5))
    assert {m.timestamp for m in client.get_metric_history(run.info.run_id, "loss")} == set(
        range(5_000, 5_005)
    )
    journal = Journal(journal_path(tmp_path))
    assert sum(len(e["points"]) for e, _ in journal.read() if e["event"] == "log_metrics") == 5


def test_the_end_of_a_run_logs_what_its_history_still_holds(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    tracker.start_run("model", "model", None, {})
    for step in range(30):
        write_history(history, range(step, step + 1))
        tracker.log_new_history("model", history)
    tracker.end_run("model", "FINISHED")
    client = connect(store)
    run = run_of(client, tracker, "model")
    assert steps_of(client, run) == list(range(30))
    batches = sum(
        event["event"] == "log_metrics" for event, _ in Journal(journal_path(tmp_path)).read()
    )
    assert batches < 30


def test_a_directory_is_uploaded_with_what_it_holds(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    folder = tmp_path / "transform" / "assets"
    folder.mkdir(parents=True)
    (folder / "vocabulary").write_text("a\nb\n")
    tracker.start_run("examples", "examples", None, {})
    tracker.log_artifact("examples", tmp_path / "transform", "transform")
    client = connect(store)
    run_id = run_of(client, tracker, "examples").info.run_id
    (listed,) = client.list_artifacts(run_id, "transform/assets")
    assert listed.path == "transform/assets/vocabulary"


def test_an_absent_server_never_raises_warns_once_and_gets_everything_later(
    tmp_path: Path, store: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = journal_path(tmp_path)
    uri = f"http://127.0.0.1:{free_port()}"
    unreachable = Tracker(path, uri, tmp_path.name)
    with caplog.at_level(logging.INFO, "rnnflow"):
        track_a_whole_run(unreachable, tmp_path)
        assert unreachable.flush() == 10
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    message = record.getMessage()
    for part in (uri, "Connection refused", str(path), "sent once the server answers"):
        assert part in message
    assert unreachable.run_id("pipeline") is None
    tracker = Tracker(path, store, tmp_path.name)
    assert tracker.flush() == 0
    assert_the_whole_run_is_there(connect(store), tracker)


def test_a_server_that_is_killed_in_the_middle_of_a_run_loses_nothing(
    server: MlflowServer, tmp_path: Path
) -> None:
    history = tmp_path / "history.jsonl"
    tracker = Tracker(journal_path(tmp_path), server.uri, tmp_path.name)
    tracker.start_run("pipeline", "run-1", None, {WORK_DIR_TAG: str(tmp_path)})
    tracker.start_run("model", "model", "pipeline", {})
    write_history(history, range(1_500))
    tracker.log_new_history("model", history)
    assert tracker.flush() == 0
    server.kill()
    try:
        write_history(history, range(1_500, 3_000))
        tracker.log_new_history("model", history)
        tracker.log_params("model", {"seed": 7})
        tracker.log_artifact("model", history)
        tracker.end_run("model", "FINISHED")
        tracker.start_run("gate", "gate", "pipeline", {})
        tracker.end_run("gate", "FINISHED")
        tracker.end_run("pipeline", "FINISHED", {"rnnflow.status": "promoted"})
        assert tracker.flush() == 8
        assert replay_pending(tmp_path / "runs") == 8
    finally:
        server.start()
    assert replay_pending(tmp_path / "runs", server.uri) == 0
    assert replay_pending(tmp_path / "runs") == 0
    client = connect(server.uri)
    experiment = find_experiment(client, tmp_path.name)
    assert experiment is not None
    assert len(client.search_runs([experiment])) == 3
    model = run_of(client, tracker, "model")
    assert steps_of(client, model) == list(range(3_000))
    assert model.data.params == {"seed": "7"}
    assert [one.path for one in client.list_artifacts(model.info.run_id)] == ["history.jsonl"]
    for key in ("pipeline", "model", "gate"):
        assert run_of(client, tracker, key).info.status == "FINISHED"
    assert run_of(client, tracker, "pipeline").data.tags["rnnflow.status"] == "promoted"


def test_a_journal_keeps_no_password(tmp_path: Path) -> None:
    port = free_port()
    tracker = Tracker(journal_path(tmp_path), f"http://me:secret@127.0.0.1:{port}", "x")
    tracker.start_run("pipeline", "run", None, {})
    assert "secret" not in journal_path(tmp_path).read_text()


def test_a_server_that_hangs_is_asked_a_few_times_and_then_only_by_flush(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    monkeypatch.setattr("components.tracking.tracker.PATIENCE_SECONDS", 1.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        uri = f"http://127.0.0.1:{listener.getsockname()[1]}"
        tracker = Tracker(journal_path(tmp_path), uri, "x")
        tracker.start_run("pipeline", "run", None, {})
        tracker.log_params("pipeline", {"seed": 7})
        assert connections(listener) == 1
        tracker.end_run("rows", "FINISHED")
        assert connections(listener) == 1
        tracker.end_run("model", "FINISHED")
        assert connections(listener) == 0
        assert tracker.flush() == 4
        assert connections(listener) == 1


def connections(listener: socket.socket) -> int:
    """How many were opened since the last look."""
    listener.setblocking(False)
    for count in range(100):
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("too many")


def test_who_sends_later_is_told_of_what_is_recorded(tmp_path: Path, store: str) -> None:
    told: list[None] = []
    path = journal_path(tmp_path)
    tracker = Tracker(path, store, tmp_path.name, on_record=lambda: told.append(None))
    tracker.start_run("pipeline", "run-1", None, {})
    tracker.end_run("pipeline", "FINISHED")
    assert len(told) == 2
    assert tracker.run_id("pipeline") is None
    tracker.send()
    assert run_of(connect(store), tracker, "pipeline").info.status == "FINISHED"
