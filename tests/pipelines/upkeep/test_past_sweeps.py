"""Sweeps that were killed are found and ended; those beyond the limits go with what they tried."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from uuid import uuid4

import optuna
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from components.artifacts.storage import locked_file, write_atomically
from components.config import RetentionConfig
from components.registry.retention import PastRun, find_excess_sweeps
from components.tracking.journal import Journal
from components.tracking.owner import HEARTBEAT_TAG, STALE_SECONDS, Owner, owner_of
from components.tracking.tracker import SWEEP_KEY, SWEEP_TAG, Tracker
from pipelines.upkeep.past_sweeps import LOCK, find_state, recover_sweeps
from pipelines.upkeep.retention import apply_retention
from pipelines.work_directory import CONFIG, JOURNAL, WorkDirectory
from tests.components.mlflow_server import free_port
from tests.pipelines.upkeep.past_nights import leave_files, run_id_of
from tests.pipelines.upkeep.past_sweeps import TRIAL_KEY, leave_study, leave_sweep

pytest_plugins = ["tests.components.mlflow_fixtures"]

FEW = RetentionConfig(keep_runs=2, keep_days=0, on_server=True)


@pytest.fixture
def work(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    """One that has its id, in the session's MLflow database."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    made = WorkDirectory(tmp_path / ".rnnflow")
    write_atomically(made.root / "id", uuid4().hex)
    return made


@pytest.fixture
def name() -> str:
    return f"swept-{uuid4().hex[:8]}"


def _owner(work: WorkDirectory, name: str, number: int) -> Owner:
    """The process of a sweep, as the holder of its lock."""
    with locked_file(work.sweeps / f"{name}-{number:08}" / LOCK) as lock:
        return owner_of(work.id, lock)


def _run(store: str, directory: Path, key: str = SWEEP_KEY) -> Run:
    return MlflowClient(store).get_run(Journal(directory / JOURNAL).cursor().runs[key])


def test_a_sweep_that_was_killed_ends_as_killed_with_its_trials(
    work: WorkDirectory, name: str, store: str
) -> None:
    killed = leave_sweep(work, name, 1, _owner(work, name, 1), status="running")
    assert _run(store, killed).info.status == "RUNNING"
    assert recover_sweeps(work) == 1
    for key in (SWEEP_KEY, TRIAL_KEY):
        run = _run(store, killed, key)
        assert (run.info.status, run.data.tags["rnnflow.status"]) == ("KILLED", "killed")
        # It ended when it did something last, and not when it was found.
        last = max(event.get("milliseconds", 0) for event, _ in Journal(killed / JOURNAL).read())
        assert run.info.end_time == last
    state = find_state(killed)
    assert state is not None
    assert (state.status, state.running) == ("killed", 0)
    assert recover_sweeps(work) == 0


def test_a_sweep_that_goes_on_again_is_running_again(
    work: WorkDirectory, name: str, store: str
) -> None:
    owner = _owner(work, name, 1)
    directory = leave_sweep(work, name, 1, owner, status="running")
    before = _run(store, directory).info.run_id
    recover_sweeps(work)
    leave_sweep(work, name, 1, owner, status="running")
    assert (_run(store, directory).info.run_id, _run(store, directory).info.status) == (
        before,
        "RUNNING",
    )
    assert _run(store, directory).data.tags["rnnflow.status"] == "running"


def test_a_sweep_in_progress_and_one_that_ended_are_left_alone(
    work: WorkDirectory, name: str, store: str
) -> None:
    going_on = leave_sweep(work, name, 1, _owner(work, name, 1), status="running")
    ended = leave_sweep(work, name, 2, _owner(work, name, 2), status="interrupted")
    with locked_file(going_on / LOCK):
        assert recover_sweeps(work) == 0
    assert _run(store, going_on).info.status == "RUNNING"
    assert _run(store, ended).info.status == "FINISHED"


def test_a_sweep_of_another_machine_is_killed_once_its_heartbeat_has_stopped(
    work: WorkDirectory, name: str, store: str
) -> None:
    elsewhere = dataclasses.replace(_owner(work, name, 1), boot_id="another")
    directory = leave_sweep(work, name, 1, elsewhere, status="running")
    assert recover_sweeps(work) == 0
    long_ago = f"{time.time() - STALE_SECONDS - 1:.0f}"
    MlflowClient(store).set_tag(_run(store, directory).info.run_id, HEARTBEAT_TAG, long_ago)
    assert recover_sweeps(work) == 1
    assert _run(store, directory).info.status == "KILLED"


def test_what_a_sweep_left_unsent_is_sent_also_if_it_was_killed_while_mlflow_was_away(
    work: WorkDirectory, name: str, store: str
) -> None:
    owner = _owner(work, name, 1)
    directory = leave_sweep(work, name, 1, owner, status="running", is_sent=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
        away = leave_sweep(work, name, 2, _owner(work, name, 2), status="running", is_sent=False)
        assert recover_sweeps(work) == 2
    assert Journal(directory / JOURNAL).unsent() == 0
    assert Journal(away / JOURNAL).unsent() > 0
    assert _run(store, directory).info.status == "KILLED"
    state = find_state(away)
    assert state is not None
    assert state.status == "killed"


def _apply(work: WorkDirectory, name: str, *, dry_run: bool = False) -> set[str]:
    removed: set[str] = set()
    with work.lock("now") as owner:
        apply_retention(
            work, owner, {name: FEW}, lambda what, _: removed.add(what), dry_run=dry_run
        )
    return removed


def _sweeps_in_mlflow(store: str, name: str) -> set[str]:
    client = MlflowClient(store)
    experiment = client.get_experiment_by_name(name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`{SWEEP_TAG}` != ''")
    return {f"{run.data.tags[SWEEP_TAG]} {run.info.run_name}" for run in found}


def test_old_sweeps_are_removed_with_what_they_tried_and_their_runs_in_mlflow(
    work: WorkDirectory, name: str, store: str
) -> None:
    names = [f"{name}-{number:08}" for number in range(1, 4)]
    for number in (1, 2, 3):
        leave_sweep(work, name, number, _owner(work, name, number))
    for each in names:
        storage = leave_study(work, each)
    expected = {f"sweeps/{names[0]}", f"MLflow sweep {names[0]}"}
    assert _apply(work, name, dry_run=True) == expected
    assert len(_sweeps_in_mlflow(store, name)) == 6
    assert _apply(work, name) == expected
    assert {path.name for path in work.sweeps.iterdir()} == {*names[1:], "optuna.db"}
    assert set(optuna.get_all_study_names(storage)) == set(names[1:])
    assert _sweeps_in_mlflow(store, name) == {
        f"{each} {run}" for each in names[1:] for run in (f"sweep {each}", "trial 1")
    }
    assert _apply(work, name) == set()


def test_a_sweep_stays_whose_best_settings_a_run_has_that_stays(
    work: WorkDirectory, name: str
) -> None:
    for number in range(1, 5):
        leave_sweep(work, name, number, _owner(work, name, number))
    leave_files(work, name, 1)
    best_of = f"{name}-00000001"
    write_atomically(
        work.runs / run_id_of(1) / CONFIG, f"name: {name}\ntags: {{sweep: {best_of}}}\n"
    )
    assert _apply(work, name) == {f"sweeps/{name}-00000002", f"MLflow sweep {name}-00000002"}


def test_sweeps_in_progress_and_those_that_mlflow_has_not_heard_of_stay(
    work: WorkDirectory, name: str
) -> None:
    running = leave_sweep(work, name, 1, _owner(work, name, 1))
    leave_sweep(work, name, 2, _owner(work, name, 2), is_sent=False)
    leave_sweep(work, name, 3, _owner(work, name, 3), status="running")
    for number in (4, 5):
        leave_sweep(work, name, number, _owner(work, name, number))
    with locked_file(running / LOCK):
        assert _apply(work, name) == set()


def test_sweeps_of_other_names_and_recent_ones_stay(work: WorkDirectory, name: str) -> None:
    for number in range(1, 4):
        leave_sweep(work, name, number, _owner(work, name, number), age_days=3 - number)
    with work.lock("now") as owner:
        recent = RetentionConfig(keep_runs=1, keep_days=1.5)
        removed: list[str] = []
        limits = {"another": FEW, name: recent}
        apply_retention(work, owner, limits, lambda what, _: removed.append(what))
    assert removed == [f"sweeps/{name}-00000001"]


def test_in_mlflow_a_sweep_stays_as_long_as_a_run_that_has_its_settings() -> None:
    sweeps = [PastRun(str(number), f"sweep-{number}", float(number)) for number in range(5)]
    sweeps[4] = dataclasses.replace(sweeps[4], ended=False)
    runs = [PastRun("r", "run", 40.0, sweep="sweep-3")]
    limits = RetentionConfig(keep_runs=1, keep_days=0)
    found = find_excess_sweeps(sweeps, runs, frozenset({"sweep-2"}), limits)
    assert [each.name for each in found] == ["sweep-1"]


def test_the_journal_of_a_sweep_is_none_of_a_run(work: WorkDirectory, name: str) -> None:
    """A file that a sweep has not begun to write is no reason to fail."""
    (work.sweeps / f"{name}-00000009").mkdir(parents=True)
    Tracker(work.sweeps / f"{name}-00000008" / JOURNAL, work.tracking_uri, name, lambda: None)
    assert recover_sweeps(work) == 0
