"""Of runs that are late one is left; those that are due later stay as they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.states import Scheduled

from pipelines.schedules.backlog import cancel_backlog

pytestmark = pytest.mark.usefixtures("prefect_server")


@flow(name="backlog", persist_result=False)
def nightly(seed: int = 1) -> None:
    """Never called."""
    del seed


@pytest.fixture
def client() -> SyncPrefectClient:
    return get_client(sync_client=True)


def due(client: SyncPrefectClient, deployment: UUID, hours: float, **parameters: object) -> UUID:
    """A run that is due so many hours from now."""
    when = datetime.now(UTC) + timedelta(hours=hours)
    run = client.create_flow_run_from_deployment(
        deployment, state=Scheduled(scheduled_time=when), parameters=parameters
    )
    return run.id


def test_a_backlog_of_many_nights_becomes_one_run(client: SyncPrefectClient) -> None:
    with client:
        deployment = client.create_deployment(
            client.create_flow(nightly), "nights", enforce_parameter_schema=False
        )
        late = [due(client, deployment, -hours) for hours in (3, 30, 2, 1, 20)]
        later = [due(client, deployment, hours) for hours in (1, 24)]
        # Somebody asked for it: the run of a night does not do what it would.
        later.append(due(client, deployment, -4, seed=9))
        assert cancel_backlog("backlog/nights") == 4
        states = {run: client.read_flow_run(run).state for run in [*late, *later]}
        cancelled = {run for run, state in states.items() if state and state.is_cancelled()}
        assert cancelled == set(late) - {late[3]}  # that of an hour ago is the newest
        assert all(states[run].is_scheduled() for run in (late[3], *later))  # type: ignore[union-attr]
        assert cancel_backlog("backlog/nights") == 0


def test_a_backlog_that_takes_several_pages_is_read_to_its_end(
    client: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.schedules.backlog._PAGE", 3)
    with client:
        deployment = client.create_deployment(
            client.create_flow(nightly), "minutes", enforce_parameter_schema=False
        )
        for hours in range(1, 9):
            due(client, deployment, -hours)
        assert cancel_backlog("backlog/minutes") == 7


def test_a_deployment_that_is_not_there_has_no_backlog() -> None:
    assert cancel_backlog("backlog/never served") == 0
