from __future__ import annotations

import pytest
from mlflow.protos.databricks_pb2 import (
    ENDPOINT_NOT_FOUND,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    UNAUTHENTICATED,
)

from components.errors import NotFoundError, RegistryError
from components.tracking.client import MlflowException, connect
from components.tracking.errors import is_final, reason, registry_errors
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


def test_a_refusal_is_final_and_an_absence_is_not() -> None:
    assert is_final(MlflowException("no", INVALID_PARAMETER_VALUE))
    assert not is_final(MlflowException("gone", INTERNAL_ERROR))
    assert not is_final(ConnectionError())


def test_something_else_that_answers_at_the_address_is_no_refusal_for_ever() -> None:
    # A proxy in front of a server that is away may answer that there is no such page.
    assert not is_final(MlflowException("no such page", ENDPOINT_NOT_FOUND))
    assert not is_final(MlflowException("who are you?", UNAUTHENTICATED))


def test_missing_rights_are_a_refusal_to_a_person() -> None:
    with (
        pytest.raises(RegistryError, match="rejected"),
        registry_errors("http://h", "try"),
    ):
        raise MlflowException("who are you?", UNAUTHENTICATED)


def test_an_absent_server_is_a_registry_error_that_says_what_where_why_and_what_to_do() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError) as caught, registry_errors(uri, "list the versions of m"):
        connect(uri).search_experiments()
    message = str(caught.value)
    for part in ("cannot list the versions of m", uri, "Connection refused", "Start it"):
        assert part in message


def test_a_refusal_is_a_registry_error_too(store: str) -> None:
    with (
        pytest.raises(RegistryError, match=r"MLflow at .* rejected"),
        registry_errors(store, "try"),
    ):
        connect(store).get_experiment("987654")


def test_our_own_errors_pass_unchanged(store: str) -> None:
    with pytest.raises(NotFoundError, match=r"^nothing$"), registry_errors(store, "try"):
        raise NotFoundError("nothing")


def test_the_reason_of_a_broken_connection_is_what_broke_it() -> None:
    error = MlflowException("API request failed with a very long text")
    error.__context__ = ConnectionResetError(104, "Connection reset by peer")
    assert reason(error) == "[Errno 104] Connection reset by peer"
    assert reason(MlflowException("first\nsecond")) == "first"
