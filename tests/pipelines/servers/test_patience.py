"""Prefect is away for a while: a real server, behind a door that is shut for a while."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from uuid import UUID

import httpx
import pytest
from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runtime import flow_run
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.config import LaunchConfig
from components.errors import ServerAwayError, UserError
from pipelines.console import show_servers
from pipelines.servers.patience import PATIENCE
from pipelines.servers.prefect_server import check_server
from tests.components.worker_commands import wait_for
from tests.door import Door, State
from tests.prefect_server import end_prefect_threads

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def the_door(prefect_server: str) -> Iterator[Door]:
    """One for all tests: what sends Prefect's events keeps the address of its first server."""
    show_servers()
    end_prefect_threads()
    with Door(prefect_server) as door:
        yield door
        end_prefect_threads()


@pytest.fixture
def door(the_door: Door) -> Iterator[Door]:
    """The door; this process knows Prefect by its address only."""
    with temporary_settings({PREFECT_API_URL: the_door.address}):
        yield the_door
        the_door.set("open")
    PATIENCE.begin(LaunchConfig().server_wait_seconds)


@task
def step() -> int:
    return 1


def _run(wait_seconds: float, between: Callable[[], None]) -> UUID:
    """A flow run of two steps, with something between them."""
    ids: list[str] = []

    @flow(persist_result=False)
    def running() -> None:
        PATIENCE.begin(wait_seconds)
        ids.append(str(flow_run.id))
        step()
        between()
        step()

    running()
    return UUID(ids[0])


def _opened_later(door: Door, state: State) -> Callable[[], None]:
    """Shuts the door, and opens it once somebody has come in vain."""

    def between() -> None:
        door.set(state)

        def open_it() -> None:
            wait_for(lambda: PATIENCE.is_away)
            door.set("open")

        threading.Thread(target=open_it, daemon=True).start()

    return between


@pytest.mark.parametrize("state", ["shut", "failing"])
def test_a_run_survives_a_short_absence_and_all_its_states_arrive(
    door: Door, prefect_server: str, capsys: pytest.CaptureFixture[str], state: State
) -> None:
    run = _run(300, _opened_later(door, state))
    only = FlowRunFilter(id=FlowRunFilterId(any_=[run]))

    def states() -> list[str | None]:
        return [each.state_name for each in client.read_task_runs(flow_run_filter=only)]

    with (
        temporary_settings({PREFECT_API_URL: prefect_server}),
        get_client(sync_client=True) as client,
    ):
        assert client.read_flow_run(run).state_name == "Completed"
        # The server writes them down some time after it has got them.
        wait_for(lambda: states() == ["Completed", "Completed"])
    said = capsys.readouterr()
    assert said.out.count("does not answer") == 1
    assert said.out.count("answers again") == 1
    assert "Traceback" not in said.out + said.err


def test_a_run_ends_with_one_error_when_it_has_waited_long_enough(
    door: Door, prefect_server: str
) -> None:
    with pytest.raises(ServerAwayError, match=r"^Prefect at .* does not answer") as caught:
        _run(0.5, lambda: door.set("shut"))
    assert "\n" not in str(caught.value)


def test_what_a_run_can_do_without_is_not_waited_for(door: Door) -> None:
    def between() -> None:
        door.set("shut")
        with pytest.raises(ServerAwayError), PATIENCE.without_waiting():
            create_markdown_artifact("a link")
        door.set("open")

    _run(300, between)


def test_a_refusal_is_no_absence(door: Door) -> None:
    with get_client(sync_client=True) as client, pytest.raises(PrefectHTTPStatusError):
        client.request("POST", "/flows/", json={"not": "a flow"})


def test_a_slot_that_the_server_has_forgotten_ends_no_run(door: Door) -> None:
    with get_client(sync_client=True) as client:
        # Prefect would raise here: status 410, as after a restart of the server.
        client.renew_concurrency_lease(uuid.uuid4(), lease_duration=60)


@pytest.mark.parametrize("state", ["shut", "silent", "failing"])
def test_a_server_that_is_away_at_the_start_is_told_in_one_sentence(
    door: Door, state: State
) -> None:
    door.set(state)
    with pytest.raises(ServerAwayError) as caught:
        check_server(wait_seconds=0.1)
    for part in (door.address, "does not answer", "PREFECT_API_URL"):
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)
    assert PATIENCE.wait_seconds == LaunchConfig().server_wait_seconds


def test_something_else_than_prefect_at_the_address_is_told_as_such(door: Door) -> None:
    elsewhere = str(httpx.URL(door.address).copy_with(path="/elsewhere"))
    with (
        temporary_settings({PREFECT_API_URL: elsewhere}),
        pytest.raises(UserError, match=r"expected a Prefect server at .*PREFECT_API_AUTH_STRING"),
    ):
        check_server()
