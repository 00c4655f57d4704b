"""A stage that needs MLflow waits for it: a real server behind a door that is shut for a while."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from components.errors import NotFoundError, RegistryAwayError, RegistryError
from components.registry.versions import RegisteredVersion, list_versions
from components.tracking.waiting import wait_for_mlflow
from tests.components.mlflow_server import MlflowServer
from tests.door import Door, State

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture
def door(server: MlflowServer) -> Iterator[Door]:
    with Door(server.uri) as door:
        yield door


class Asking:
    """Asks for the versions of a model, and lets something happen after a few failures."""

    def __init__(self, door: Door, opens_after: int | None = None) -> None:
        self.failures = 0
        self._door = door
        self._opens_after = opens_after

    def __call__(self) -> tuple[RegisteredVersion, ...]:
        try:
            return list_versions("none", self._door.address)
        except RegistryAwayError:
            self.failures += 1
            if self.failures == self._opens_after:
                self._door.set("open")
            raise


@pytest.mark.parametrize("state", ["shut", "failing"])
def test_what_is_asked_is_asked_again_until_the_server_is_back(door: Door, state: State) -> None:
    door.set(state)
    asking = Asking(door, opens_after=2)
    assert wait_for_mlflow(asking, door.address, wait_seconds=300) == ()
    assert asking.failures == 2


def test_after_the_time_the_error_says_how_long_it_was_waited(door: Door) -> None:
    door.set("shut")
    asking = Asking(door)
    with pytest.raises(RegistryAwayError, match=r"does not answer .* again for 1 s") as caught:
        wait_for_mlflow(asking, door.address, wait_seconds=1)
    assert "\n" not in str(caught.value)
    assert asking.failures > 1


def test_a_call_that_alone_gets_no_answer_is_given_up_soon(door: Door) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise RegistryAwayError("the files are not there")

    with pytest.raises(RegistryAwayError, match=r"^the files are not there$"):
        wait_for_mlflow(call, door.address, wait_seconds=300)
    assert len(calls) == 3


@pytest.mark.parametrize("error", [RegistryError("rejected"), NotFoundError("no such version")])
def test_an_answer_is_not_waited_for(error: Exception) -> None:
    calls = []

    def call() -> None:
        calls.append(1)
        raise error

    with pytest.raises(type(error)):
        wait_for_mlflow(call, "http://127.0.0.1:1", wait_seconds=300)
    assert len(calls) == 1
