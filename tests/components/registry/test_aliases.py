from __future__ import annotations

import concurrent.futures
from pathlib import Path

import pytest
from mlflow.utils.validation import MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH

from components.errors import NotFoundError, RegistryError
from components.registry.aliases import (
    CHAMPION,
    HISTORY_LENGTH,
    PREVIOUS,
    PROMOTED_TAG,
    REASON_LENGTH,
    history,
    move_champion,
    promote,
    rollback,
    version_with_alias,
)
from components.registry.versions import DEMOTED_TAG
from components.tracking.client import MlflowClient, connect
from tests.components.mlflow_server import free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


@pytest.fixture
def client(store: str) -> MlflowClient:
    return connect(store)


@pytest.fixture
def name(client: MlflowClient, tmp_path: Path) -> str:
    """A registered model with three versions and no champion."""
    client.create_registered_model(tmp_path.name)
    for _ in range(3):
        client.create_model_version(tmp_path.name, source=str(tmp_path))
    return tmp_path.name


def aliases(client: MlflowClient, name: str) -> tuple[int | None, int | None]:
    """(champion, previous)."""
    return version_with_alias(client, name, CHAMPION), version_with_alias(client, name, PREVIOUS)


def test_the_first_champion_has_no_previous(client: MlflowClient, store: str, name: str) -> None:
    assert aliases(client, name) == (None, None)
    assert promote(name, 1, tracking_uri=store, reason="it is good") is None
    assert aliases(client, name) == (1, None)


def test_the_last_champion_keeps_the_alias_previous(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    assert promote(name, 3, tracking_uri=store, reason="better") == 1
    assert aliases(client, name) == (3, 1)


def test_a_champion_that_is_promoted_again_stays_without_a_new_record(
    client: MlflowClient, store: str, name: str
) -> None:
    for version in (1, 2, 2):
        promote(name, version, tracking_uri=store, reason="again")
    assert aliases(client, name) == (2, 1)
    assert len(history(client, name)) == 2


def test_a_rollback_swaps_the_two_and_a_second_one_undoes_it(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    promote(name, 2, tracking_uri=store, reason="second")
    assert rollback(name, tracking_uri=store, reason="it is slow") == (2, 1)
    assert aliases(client, name) == (1, 2)
    assert rollback(name, tracking_uri=store, reason="it was not") == (1, 2)
    assert aliases(client, name) == (2, 1)


def test_every_move_is_recorded_with_who_when_from_to_and_why(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    promote(name, 2, tracking_uri=store, reason="größer")
    rollback(name, tracking_uri=store, reason="slow")
    found = history(client, name)
    assert [(one["action"], one["from"], one["to"], one["why"]) for one in found] == [
        ("promote", None, 1, "first"),
        ("promote", 1, 2, "größer"),
        ("rollback", 2, 1, "slow"),
    ]
    assert all("@" in str(one["who"]) and str(one["when"]).endswith("+00:00") for one in found)
    assert "slow" in client.get_model_version(name, "1").tags[PROMOTED_TAG]
    assert "slow" in client.get_model_version(name, "2").tags[DEMOTED_TAG]


def test_the_history_keeps_the_last_moves(
    client: MlflowClient, store: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.registry.aliases.HISTORY_LENGTH", 3)
    for number in range(5):
        promote(name, 1 + number % 2, tracking_uri=store, reason=f"{number}")
    assert [one["why"] for one in history(client, name)] == ["2", "3", "4"]


def test_the_longest_history_fits_a_tag() -> None:
    assert HISTORY_LENGTH * (REASON_LENGTH + 300) < MAX_MODEL_REGISTRY_TAG_VALUE_LENGTH


def test_nothing_moves_if_the_champion_is_not_the_expected_one(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    with pytest.raises(RegistryError) as caught:
        move_champion(client, name, 2, 3, "gate", "better than version 2")
    message = str(caught.value)
    for part in ("expected version 2", "found version 1", "moved meanwhile", "Run again"):
        assert part in message
    with pytest.raises(RegistryError, match="expected no version"):
        move_champion(client, name, None, 3, "gate", "there is none")
    assert aliases(client, name) == (1, None)
    assert len(history(client, name)) == 1


def test_of_two_that_move_at_once_one_wins(client: MlflowClient, store: str, name: str) -> None:
    promote(name, 1, tracking_uri=store, reason="first")

    def challenge(version: int) -> bool:
        try:
            move_champion(connect(store), name, 1, version, "gate", "better than version 1")
        except RegistryError:
            return False
        return True

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        won = list(pool.map(challenge, (2, 3)))
    assert sorted(won) == [False, True]
    assert aliases(client, name) == (2 if won[0] else 3, 1)


def test_a_version_that_does_not_exist_is_not_found(
    client: MlflowClient, store: str, name: str
) -> None:
    with pytest.raises(NotFoundError, match=f"{name} has no version 9"):
        promote(name, 9, tracking_uri=store, reason="x")
    with pytest.raises(NotFoundError, match="nowhere has no version 1"):
        promote("nowhere", 1, tracking_uri=store, reason="x")
    assert aliases(client, name) == (None, None)


def test_nothing_to_roll_back_to_is_not_found(store: str, name: str) -> None:
    with pytest.raises(NotFoundError, match="has no champion"):
        rollback(name, tracking_uri=store, reason="x")
    promote(name, 1, tracking_uri=store, reason="first")
    with pytest.raises(NotFoundError, match="has no previous"):
        rollback(name, tracking_uri=store, reason="x")


def test_an_absent_server_is_a_registry_error() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(RegistryError, match=r"cannot promote version 1 of m: .* does not answer"):
        promote("m", 1, tracking_uri=uri, reason="x")
    with pytest.raises(RegistryError, match=r"cannot roll m back: .* does not answer"):
        rollback("m", tracking_uri=uri, reason="x")
