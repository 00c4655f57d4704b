"""A run that is skipped does for other runs what any run does."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from mlflow import MlflowClient
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.runtime import flow_run
from prefect.states import Running

from components.artifacts.storage import write_atomically
from components.config import RetentionConfig
from components.tracking.journal import Journal
from components.tracking.owner import Owner
from components.tracking.tracker import RUN_ID_TAG, Tracker
from pipelines.upkeep.ending import do_upkeep
from pipelines.upkeep.killed_runs import FLOW, owner_tags
from pipelines.work_directory import CONFIG, JOURNAL, WorkDirectory
from tests.components.mlflow_server import free_port
from tests.pipelines.upkeep.past_nights import leave_files, run_id_of

pytest_plugins = ["tests.components.mlflow_fixtures"]
pytestmark = pytest.mark.usefixtures("prefect_server")

FEW = RetentionConfig(keep_runs=1, keep_days=0)
KILLED = "20260201-030000-aaaa"


@flow(name=FLOW, persist_result=False)
def skipped(root: str, name: str) -> UUID:
    do_upkeep(WorkDirectory(Path(root)), name, FEW)
    return UUID(str(flow_run.id))


@pytest.fixture
def work(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> WorkDirectory:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    return WorkDirectory(tmp_path / ".rnnflow")


@pytest.fixture
def name() -> str:
    return f"skipped-{uuid4().hex[:8]}"


def _killed_run(work: WorkDirectory, name: str, owner: Owner) -> Journal:
    """A run that was killed before it had told MLflow anything."""
    write_atomically(work.runs / KILLED / CONFIG, f"name: {name}\n")
    tracker = Tracker(work.runs / KILLED / JOURNAL, work.tracking_uri, name, lambda: None)
    tracker.start_run("pipeline", KILLED, None, owner.tags() | {RUN_ID_TAG: KILLED})
    return Journal(work.runs / KILLED / JOURNAL)


def test_it_sends_marks_and_removes(work: WorkDirectory, name: str, store: str) -> None:
    for number in (1, 2):
        leave_files(work, name, number)
    (work.temporary / "of a killed run").mkdir(parents=True)
    with work.lock(KILLED) as owner:
        journal = _killed_run(work, name, owner)
    with get_client(sync_client=True) as client:
        lost = client.create_flow_run(skipped, parameters={"root": "", "name": ""},
                                      tags=owner_tags(owner, name), state=Running())  # fmt: skip
        client.update_flow_run_labels(lost.id, dict(owner.tags()))
        own = skipped(str(work.root), name)
        state = client.read_flow_run(lost.id).state
        assert state is not None
        assert state.is_crashed()
        assert set(owner_tags(owner, name)) <= set(client.read_flow_run(own).tags)
    assert journal.unsent() == 0
    run = MlflowClient(store).get_run(journal.cursor().runs["pipeline"])
    assert run.info.status == "KILLED"
    outcome = work.find_outcome(KILLED)
    assert outcome is not None
    assert outcome.reason == "The process was killed; a run that was skipped found it."
    assert work.run_ids() == [KILLED], "the newest run stays, and the older ones go"
    assert list(work.temporary.iterdir()) == []


def test_it_leaves_everything_to_a_run_that_goes_on(work: WorkDirectory, name: str) -> None:
    for number in (1, 2):
        leave_files(work, name, number)
    with work.lock(run_id_of(3)):
        skipped(str(work.root), name)
    assert len(work.run_ids()) == 2


def test_a_server_that_is_away_is_no_error(
    work: WorkDirectory,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with work.lock(KILLED) as owner:
        _killed_run(work, name, owner)
    leave_files(work, name, 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    with caplog.at_level(logging.WARNING, "rnnflow"):
        skipped(str(work.root), name)
    assert "Runs that were killed could not be marked" in caplog.text
