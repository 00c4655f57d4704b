from __future__ import annotations

import dataclasses
import functools
import time
from pathlib import Path

import pytest

from components.tracking.client import connect
from components.tracking.journal import Cursor, Journal
from components.tracking.owner import HEARTBEAT_TAG, STALE_SECONDS, Owner
from components.tracking.recovery import mark_killed_runs, replay_pending
from components.tracking.tracker import RUN_ID_TAG, Tracker
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


OWNER = Owner("a" * 32, "host", "boot", "1:2")


def journal_path(work_dir: Path, run: str = "run-1") -> Path:
    return work_dir / "runs" / run / "tracking.jsonl"


@pytest.fixture
def tracker(tmp_path: Path, store: str) -> Tracker:
    return Tracker(journal_path(tmp_path), store, tmp_path.name)


def test_runs_that_a_kill_left_running_are_marked_and_others_are_not(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    another_directory = dataclasses.replace(OWNER, work_dir_id="b" * 32)
    another_lock = dataclasses.replace(OWNER, lock="1:3")
    tracker.start_run("pipeline", "killed", None, OWNER.tags() | {RUN_ID_TAG: "run-1"})
    tracker.start_run("rows", "rows", "pipeline", {})
    tracker.end_run("rows", "FINISHED")
    tracker.start_run("model", "model", "pipeline", {})
    tracker.start_run("elsewhere", "elsewhere", None, another_directory.tags())
    tracker.start_run("copied", "copied", None, another_lock.tags())
    *_, (last, _) = Journal(journal_path(tmp_path)).read()
    killed_runs: list[str] = []
    mark = functools.partial(
        mark_killed_runs, store, tmp_path.name, OWNER, tmp_path, killed_runs.append
    )
    assert mark() == 2
    assert killed_runs == ["run-1"]
    client = connect(store)
    for key, status in (("pipeline", "KILLED"), ("model", "KILLED"), ("rows", "FINISHED")):
        assert client.get_run(tracker.run_id(key) or "").info.status == status
    killed = client.get_run(tracker.run_id("pipeline") or "")
    assert killed.info.end_time == last["milliseconds"]
    assert killed.data.tags["rnnflow.status"] == "killed"
    for key in ("elsewhere", "copied"):
        assert client.get_run(tracker.run_id(key) or "").info.status == "RUNNING"
    assert mark() == 0


def test_a_run_that_another_lock_protected_is_marked_once_its_heartbeat_has_stopped(
    tracker: Tracker, store: str, tmp_path: Path
) -> None:
    tracker.start_run("copied", "copied", None, dataclasses.replace(OWNER, lock="1:3").tags())
    client, run = connect(store), tracker.run_id("copied") or ""
    stopped = f"{time.time() - STALE_SECONDS - 1:.0f}"
    client.set_tag(run, HEARTBEAT_TAG, stopped)
    tracker.beat("copied")
    assert mark_killed_runs(store, tmp_path.name, OWNER, tmp_path) == 0
    client.set_tag(run, HEARTBEAT_TAG, stopped)
    assert mark_killed_runs(store, tmp_path.name, OWNER, tmp_path) == 1


def test_a_heartbeat_of_a_run_that_the_server_does_not_have_is_none(tmp_path: Path) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    tracker = Tracker(journal_path(tmp_path), uri, "x", on_record=lambda: None)
    tracker.start_run("pipeline", "run", None, {})
    tracker.beat("pipeline")
    assert Journal(journal_path(tmp_path)).unsent() == 2


def test_marking_on_an_absent_server_only_warns(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert mark_killed_runs(f"http://127.0.0.1:{free_port()}", "x", OWNER, tmp_path) == 0
    assert "could not be marked" in caplog.text


def test_nothing_is_replayed_where_nothing_waits(tracker: Tracker, tmp_path: Path) -> None:
    assert replay_pending(tmp_path / "none") == 0
    tracker.start_run("pipeline", "run", None, {})
    assert replay_pending(tmp_path / "runs") == 0


def test_one_absent_server_is_asked_once_for_all_journals(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    for number in range(3):
        tracker = Tracker(journal_path(tmp_path, f"run-{number}"), uri, "x")
        tracker.start_run("pipeline", "run", None, {})
    caplog.clear()
    assert replay_pending(tmp_path / "runs") == 3
    assert len(caplog.records) == 1


def test_a_password_that_no_journal_keeps_is_taken_from_the_caller(
    tmp_path: Path, store: str
) -> None:
    path = journal_path(tmp_path)
    Tracker(path, store, tmp_path.name).start_run("pipeline", "run", None, {})
    Journal(path).move_cursor(Cursor())
    assert replay_pending(tmp_path / "runs", "http://me:secret@elsewhere") == 0
    assert Journal(path).unsent() == 0


@pytest.mark.parametrize("line", [b"\x00\x00\n", b"[1, 2]\n", b'"text"\n'])
def test_a_journal_that_was_damaged_stops_no_start(tmp_path: Path, store: str, line: bytes) -> None:
    path = journal_path(tmp_path)
    tracker = Tracker(path, store, tmp_path.name)
    with path.open("ab") as file:
        file.write(line)
    tracker.start_run("pipeline", "run", None, OWNER.tags())
    assert replay_pending(tmp_path / "runs") == 0
    assert "unreadable" in Journal(path).rejected_path.read_text()
    assert mark_killed_runs(store, tmp_path.name, OWNER, tmp_path) == 1
    path.write_bytes(line)
    Journal(path).move_cursor(Cursor())
    assert replay_pending(tmp_path / "runs") == 0


def test_the_journal_of_the_run_that_starts_is_left_alone(tmp_path: Path, store: str) -> None:
    current = journal_path(tmp_path)
    Tracker(current, store, "x", on_record=lambda: None).start_run("pipeline", "run", None, {})
    assert replay_pending(tmp_path / "runs", current=current) == 0
    assert Journal(current).unsent() == 2
