"""A start marks the flow runs that a kill left running, and only those of its work directory."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import State
from prefect.states import Completed, Pending, Running

from pipelines.killed_runs import mark_killed_flow_runs
from pipelines.training import training_flow

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="another")
def another_flow(work_dir: str) -> None:
    """Not the pipeline, though it has a parameter of the same name."""


def _left(client: SyncPrefectClient, work_dir: Path, state: State) -> UUID:
    """A run of the pipeline whose process is gone."""
    parameters = {"config_path": "config.yaml", "work_dir": str(work_dir)}
    return client.create_flow_run(training_flow, parameters=parameters, state=state).id


def _state(client: SyncPrefectClient, run: UUID) -> str:
    state = client.read_flow_run(run).state
    assert state is not None
    return state.type.value


def test_a_running_run_of_the_same_work_directory_becomes_crashed(tmp_path: Path) -> None:
    with get_client(sync_client=True) as client:
        killed = _left(client, tmp_path, Running())
        assert mark_killed_flow_runs(tmp_path) == 1
        state = client.read_flow_run(killed).state
    assert state is not None
    assert state.type.value == "CRASHED"
    assert "killed" in str(state.message)


def test_every_other_run_is_left_alone(tmp_path: Path) -> None:
    with get_client(sync_client=True) as client:
        elsewhere = _left(client, tmp_path / "elsewhere", Running())
        done = _left(client, tmp_path, Completed())
        waiting = _left(client, tmp_path, Pending())
        parameters = {"work_dir": str(tmp_path)}
        another = client.create_flow_run(another_flow, parameters=parameters, state=Running()).id
        assert mark_killed_flow_runs(tmp_path) == 0
        states = [_state(client, run) for run in (elsewhere, done, waiting, another)]
    assert states == ["RUNNING", "COMPLETED", "PENDING", "RUNNING"]


def test_the_run_that_asks_is_not_among_the_killed(tmp_path: Path) -> None:
    @flow(name="rnnflow")
    def asking(work_dir: str) -> int:
        return mark_killed_flow_runs(Path(work_dir))

    with get_client(sync_client=True) as client:
        killed = _left(client, tmp_path, Running())
        assert asking(str(tmp_path)) == 1
        assert _state(client, killed) == "CRASHED"


def test_marking_twice_finds_nothing_more(tmp_path: Path) -> None:
    with get_client(sync_client=True) as client:
        _left(client, tmp_path, Running())
    assert mark_killed_flow_runs(tmp_path) == 1
    assert mark_killed_flow_runs(tmp_path) == 0
