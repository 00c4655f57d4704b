"""A start marks the flow runs that a kill left running, and only those of its work directory."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Pending, Running

from components.artifacts.storage import write_atomically
from components.tracking.owner import HEARTBEAT_TAG, STALE_SECONDS, Owner
from pipelines.training import training_flow
from pipelines.upkeep.killed_runs import beat_flow_run, claim_flow_run, mark_killed_flow_runs
from pipelines.work_directory import CONFIG, Status, WorkDirectory
from tests.pipelines.samples import RUN_ID, outcome

pytestmark = pytest.mark.usefixtures("prefect_server")

NAME = "model"


@pytest.fixture
def owner() -> Owner:
    return Owner(uuid4().hex, "host", "boot", "1:2")


@flow(name="rnnflow", persist_result=False)
def claiming(owner: Owner, name: str) -> UUID:
    return claim_flow_run(owner, name)


@flow(name="another", persist_result=False)
def another_flow(owner: Owner) -> UUID:
    return claim_flow_run(owner, NAME)


def _left(client: SyncPrefectClient, owner: Owner, name: str, state: State) -> UUID:
    """A run of the pipeline that claimed its work directory, in a state."""
    run: UUID = claiming(owner, name)
    client.set_flow_run_state(run, state, force=True)
    return run


def _state(client: SyncPrefectClient, run: UUID) -> str:
    state = client.read_flow_run(run).state
    assert state is not None
    return state.type.value


def test_a_running_run_of_the_same_work_directory_becomes_crashed(owner: Owner) -> None:
    with get_client(sync_client=True) as client:
        killed = _left(client, owner, NAME, Running())
        assert mark_killed_flow_runs(owner, NAME) == 1
        state = client.read_flow_run(killed).state
    assert state is not None
    assert state.type.value == "CRASHED"
    assert "killed" in str(state.message)


@pytest.mark.parametrize(
    ("status", "expected"),
    [("promoted", "Promoted"), ("refused", "Refused"), ("done", "Completed"), ("failed", "Failed")],
)
def test_a_run_that_ended_while_prefect_was_away_gets_its_outcome(
    owner: Owner, tmp_path: Path, status: Status, expected: str
) -> None:
    work = WorkDirectory(tmp_path)
    with get_client(sync_client=True) as client:
        ended = _left(client, owner, NAME, Running())
        write_atomically(work.runs / RUN_ID / CONFIG, "name: demo")
        work.save_outcome(outcome(status=status, reason="Because.", flow_run_id=str(ended)))
        assert mark_killed_flow_runs(owner, NAME, work=work) == 1
        state = client.read_flow_run(ended).state
    assert state is not None
    assert (state.name, state.message) == (expected, "Because.")


def test_every_other_run_is_left_alone(owner: Owner) -> None:
    another_directory = dataclasses.replace(owner, work_dir_id=uuid4().hex)
    another_lock = dataclasses.replace(owner, lock="1:3")
    with get_client(sync_client=True) as client:
        runs = [
            _left(client, another_directory, NAME, Running()),
            _left(client, another_lock, NAME, Running()),
            _left(client, owner, "another model", Running()),
            _left(client, owner, NAME, Completed()),
            _left(client, owner, NAME, Pending()),
            another_flow(owner),
            client.create_flow_run(training_flow, state=Running()).id,
        ]
        client.set_flow_run_state(runs[5], Running(), force=True)
        before = [_state(client, run) for run in runs]
        assert mark_killed_flow_runs(owner, NAME) == 0
        assert [_state(client, run) for run in runs] == before
    assert before.count("RUNNING") == 5


def test_a_run_with_another_lock_is_marked_once_its_heartbeat_has_stopped(owner: Owner) -> None:
    elsewhere = dataclasses.replace(owner, boot_id="another")
    with get_client(sync_client=True) as client:
        run = _left(client, elsewhere, NAME, Running())
        stopped = {HEARTBEAT_TAG: f"{time.time() - STALE_SECONDS - 1:.0f}"}
        client.update_flow_run_labels(run, dict(stopped))
        beat_flow_run(run)
        assert mark_killed_flow_runs(owner, NAME) == 0
        client.update_flow_run_labels(run, dict(stopped))
        assert mark_killed_flow_runs(owner, NAME) == 1
        assert _state(client, run) == "CRASHED"


def test_the_run_that_asks_is_not_among_the_killed(owner: Owner) -> None:
    @flow(name="rnnflow", persist_result=False)
    def asking() -> tuple[int, str]:
        claim_flow_run(owner, NAME)
        return mark_killed_flow_runs(owner, NAME), str(flow_run.id)

    with get_client(sync_client=True) as client:
        killed = _left(client, owner, NAME, Running())
        marked, itself = asking()
        assert marked == 1
        assert _state(client, killed) == "CRASHED"
        assert _state(client, UUID(itself)) == "COMPLETED"


def test_a_claim_keeps_the_tags_that_a_run_has(owner: Owner) -> None:
    from prefect import tags

    with tags("nightly"):
        run = claiming(owner, NAME)
    with get_client(sync_client=True) as client:
        assert set(client.read_flow_run(run).tags) == {
            "nightly",
            f"work-dir:{owner.work_dir_id}",
            f"model:{NAME}",
        }
