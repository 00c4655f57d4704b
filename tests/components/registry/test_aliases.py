from __future__ import annotations

import concurrent.futures
import json

import pytest

from components.errors import NotFoundError, RegistryError
from components.registry.aliases import (
    CHAMPION,
    PREVIOUS,
    move_champion,
    promote,
    reconcile,
    rollback,
    version_with_alias,
)
from components.registry.ledger import Ledger, Record
from components.tracking.client import MlflowClient, connect
from tests.components.mlflow_server import MlflowServer, free_port

pytest_plugins = ["tests.components.mlflow_fixtures"]


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


def records(client: MlflowClient, name: str) -> list[Record]:
    """The records that count."""
    return list(Ledger(client, name).standing().counted)


def moves(client: MlflowClient, name: str) -> list[tuple[str, int | None, int | None, str]]:
    return [(each.action, each.before, each.after, each.why) for each in records(client, name)]


def test_a_champion_that_is_promoted_again_stays_without_a_new_record(
    client: MlflowClient, store: str, name: str
) -> None:
    for version in (1, 2, 2):
        promote(name, version, tracking_uri=store, reason="again")
    assert aliases(client, name) == (2, 1)
    assert len(records(client, name)) == 2


def test_a_second_rollback_goes_one_further_back(
    client: MlflowClient, store: str, name: str
) -> None:
    for version in (1, 2, 3):
        promote(name, version, tracking_uri=store, reason="next")
    assert rollback(name, tracking_uri=store, reason="it is slow") == (3, 2)
    assert aliases(client, name) == (2, 1)
    assert rollback(name, tracking_uri=store, reason="so is this one") == (2, 1)
    assert aliases(client, name) == (1, None)
    with pytest.raises(NotFoundError, match="has no previous"):
        rollback(name, tracking_uri=store, reason="x")


def test_a_version_that_was_rolled_back_can_be_promoted_again(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    promote(name, 2, tracking_uri=store, reason="second")
    rollback(name, tracking_uri=store, reason="it is slow")
    assert reconcile(client, name).rolled_back == {2}
    promote(name, 2, tracking_uri=store, reason="it was not")
    assert reconcile(client, name).rolled_back == frozenset()
    assert aliases(client, name) == (2, 1)


def test_a_rollback_passes_over_a_version_that_was_deleted(
    client: MlflowClient, store: str, name: str
) -> None:
    for version in (1, 2, 3):
        promote(name, version, tracking_uri=store, reason="next")
    client.delete_model_version(name, "2")
    assert rollback(name, tracking_uri=store, reason="it is slow") == (3, 1)


def test_every_move_is_recorded_with_who_when_from_to_and_why(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    promote(name, 2, tracking_uri=store, reason="größer")
    rollback(name, tracking_uri=store, reason="slow")
    assert moves(client, name) == [
        ("promote", None, 1, "first"),
        ("promote", 1, 2, "größer"),
        ("rollback", 2, 1, "slow"),
    ]
    assert all("@" in each.who and each.when.endswith("+00:00") for each in records(client, name))


def test_an_alias_that_a_person_moved_is_recorded_and_kept(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    promote(name, 2, tracking_uri=store, reason="second")
    client.set_registered_model_alias(name, CHAMPION, "1")
    standing = reconcile(client, name)
    assert standing.champion == 1
    assert standing.rolled_back == {2}
    assert moves(client, name)[-1] == ("by hand", 2, 1, "the alias champion was moved in MLflow")
    client.delete_registered_model_alias(name, CHAMPION)
    assert reconcile(client, name).champion is None
    assert promote(name, 3, tracking_uri=store, reason="now") is None
    assert aliases(client, name) == (3, None)


def test_a_move_that_was_interrupted_behind_its_record_is_completed(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    Ledger(client, name).append("gate", 1, 2, "better")
    assert aliases(client, name) == (1, None)
    assert reconcile(client, name).champion == 2
    assert aliases(client, name) == (2, 1)
    assert moves(client, name)[-1] == ("gate", 1, 2, "better")


def test_the_moves_that_older_releases_recorded_are_kept(
    client: MlflowClient, store: str, name: str
) -> None:
    old = [
        {"when": "2026-01-01T00:00:00+00:00", "who": "a@b", "action": "promote", "from": None,
         "to": 1, "why": "first"},
        {"when": "2026-01-02T00:00:00+00:00", "who": "a@b", "action": "gate", "from": 1,
         "to": 2, "why": "better"},
    ]  # fmt: skip
    client.set_registered_model_tag(name, "rnnflow.history", json.dumps(old))
    client.set_registered_model_alias(name, CHAMPION, "2")
    promote(name, 3, tracking_uri=store, reason="third")
    assert [each[1:3] for each in moves(client, name)] == [(None, 1), (1, 2), (2, 3)]
    assert rollback(name, tracking_uri=store, reason="slow") == (3, 2)
    assert rollback(name, tracking_uri=store, reason="slow") == (2, 1)


@pytest.mark.slow
def test_moves_are_recorded_behind_three_hundred_others_on_postgresql(postgresql: str) -> None:
    client, name = connect(postgresql), "many-moves"
    client.create_registered_model(name)
    for _ in range(3):
        client.create_model_version(name, source="s3://bucket/model")
    reason = "\0'\"größer\n" * 100
    ledger = Ledger(client, name)
    before = None
    for number in range(300):
        # Records alone, for the sake of time; the next move lets the aliases follow.
        record = ledger.append("gate", before, 1 + number % 3, f"{number} {reason}")
        before = record.after
    assert promote(name, 1, tracking_uri=postgresql, reason=f"300 {reason}") == 3
    assert rollback(name, tracking_uri=postgresql, reason=f"301 {reason}") == (1, 3)
    found = records(client, name)
    assert [each.why.split(" ")[0] for each in found] == [str(number) for number in range(302)]
    assert aliases(client, name) == (3, 2)


@pytest.mark.slow
def test_of_many_clients_that_move_at_once_each_is_recorded_or_refused(
    postgresql_server: MlflowServer,
) -> None:
    client, name = connect(postgresql_server.uri), "at-once"
    client.create_registered_model(name)
    for _ in range(8):
        client.create_model_version(name, source="s3://bucket/model")

    def move_often(version: int) -> int:
        mine, moved = connect(postgresql_server.uri), 0
        for number in range(10):
            before = reconcile(mine, name).champion
            try:
                move_champion(mine, name, before, version, "gate", f"{version}.{number}")
                moved += before != version
            except RegistryError:
                pass
        return moved

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        moved = sum(pool.map(move_often, range(1, 9)))
    found = records(client, name)
    assert "by hand" not in {each.action for each in found}
    assert len(found) == moved
    assert [each.before for each in found] == [None, *(each.after for each in found[:-1])]
    assert aliases(client, name)[0] == found[-1].after == reconcile(client, name).champion


def test_nothing_moves_if_the_champion_is_not_the_expected_one(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    with pytest.raises(RegistryError) as caught:
        move_champion(client, name, 2, 3, "gate", "better than version 2")
    message = str(caught.value)
    for part in (
        "compared it with version 2", "version 1 holds the alias 'champion' now (promote, ",
        ": first)", "Run again",
    ):  # fmt: skip
        assert part in message
    with pytest.raises(RegistryError, match="compared it with no version"):
        move_champion(client, name, None, 3, "gate", "there is none")
    assert aliases(client, name) == (1, None)
    assert len(records(client, name)) == 1


def test_a_champion_that_was_replaced_while_its_run_made_it_again_is_not_compared_with_itself(
    client: MlflowClient, store: str, name: str
) -> None:
    for version in (1, 2):
        promote(name, version, tracking_uri=store, reason="a person")
    rollback(name, tracking_uri=store, reason="confuses left and right")
    with pytest.raises(RegistryError) as caught:
        move_champion(client, name, 2, 2, "gate", "Unchanged")
    message = str(caught.value)
    assert message.startswith(f"version 2 of {name} was the champion when this run began")
    assert "version 1 holds the alias 'champion' now (rollback, " in message
    assert "confuses left and right" in message
    assert f"`rnnflow promote {name} 2`" in message
    assert aliases(client, name) == (1, None)


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
