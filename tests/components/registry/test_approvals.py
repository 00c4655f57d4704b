"""A model that passed the gate waits for a person, who approves or rejects it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from components.artifacts.values import Decision
from components.errors import NotFoundError, RegistryError
from components.registry.aliases import CANDIDATE, CHAMPION, REFERENCE, promote, version_with_alias
from components.registry.approvals import approve, propose, reject
from components.registry.ledger import Ledger, Record
from components.registry.registry import (
    find_champion,
    find_incumbents,
    list_versions,
    register_model,
)
from components.tracking.client import MlflowClient
from tests.components.toy_export import ToyExport

pytest_plugins = ["tests.components.mlflow_fixtures"]

PASSED = Decision(True, "Proposed: every rule holds.", (), None, needs_approval=True)


def proposed(champion: int | None, *, moves_reference: bool = True) -> Decision:
    return dataclasses.replace(PASSED, champion_version=champion, moves_reference=moves_reference)


def aliases(client: MlflowClient, name: str) -> tuple[int | None, int | None]:
    """(champion, candidate)."""
    return version_with_alias(client, name, CHAMPION), version_with_alias(client, name, CANDIDATE)


def last_record(client: MlflowClient, name: str) -> Record:
    return Ledger(client, name).standing().counted[-1]


def test_a_model_that_passed_waits_and_serves_only_once_it_is_approved(
    store: str, toy: ToyExport, tmp_path: Path
) -> None:
    name = tmp_path.name
    version = register_model(toy.export, PASSED, name=name, tracking_uri=store, run_id=None)
    assert version.aliases == (CANDIDATE,)
    assert find_champion(name, store, tmp_path) is None
    assert [each.decision for each in list_versions(name, store)] == ["proposed"]
    assert approve(name, None, tracking_uri=store, reason="looks good") == (None, 1)
    champion = find_champion(name, store, tmp_path)
    assert champion is not None
    assert champion.version == 1
    (listed,) = list_versions(name, store)
    assert (listed.decision, listed.aliases) == ("approved", (CHAMPION,))


def test_an_approval_is_in_the_ledger_with_its_reason(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    propose(client, name, 2, proposed(1))
    assert aliases(client, name) == (1, 2)
    assert approve(name, 2, tracking_uri=store, reason="better on rare labels") == (1, 2)
    assert aliases(client, name) == (2, None)
    record = last_record(client, name)
    assert (record.action, record.before, record.after, record.why) == (
        "approve", 1, 2, "better on rare labels",
    )  # fmt: skip


def test_a_rejection_moves_nothing_and_is_in_the_ledger(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    propose(client, name, 3, proposed(1))
    before = Ledger(client, name).standing()
    assert reject(name, None, tracking_uri=store, reason="a week of outages") == 3
    assert aliases(client, name) == (1, None)
    record = last_record(client, name)
    assert (record.action, record.before, record.after, record.why) == (
        "reject", 1, 1, "version 3: a week of outages",
    )  # fmt: skip
    after = Ledger(client, name).standing()
    assert record.applied
    assert (after.champion, after.predecessors, after.reference, after.reference_since) == (
        before.champion, before.predecessors, before.reference, before.reference_since,
    )  # fmt: skip


def test_what_was_compared_with_another_champion_is_not_approved(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    propose(client, name, 2, proposed(1))
    promote(name, 3, tracking_uri=store, reason="meanwhile")
    with pytest.raises(RegistryError, match=r"version 2 .* was not made champion: the gate"):
        approve(name, None, tracking_uri=store, reason="too late")
    assert aliases(client, name) == (3, 2)


def test_a_newer_candidate_takes_the_place_and_the_number_tells_them_apart(
    client: MlflowClient, store: str, name: str
) -> None:
    propose(client, name, 1, proposed(None))
    propose(client, name, 2, proposed(None))
    for decide in (approve, reject):
        with pytest.raises(NotFoundError, match=r"version 1 .* does not wait for approval"):
            decide(name, 1, tracking_uri=store, reason="the older one")
    assert aliases(client, name) == (None, 2)


def test_without_a_candidate_there_is_nothing_to_decide(store: str, name: str) -> None:
    for decide in (approve, reject):
        with pytest.raises(NotFoundError, match="no version that waits for approval"):
            decide(name, None, tracking_uri=store, reason="any")


def test_a_candidate_that_a_person_promotes_waits_no_more(
    client: MlflowClient, store: str, name: str
) -> None:
    propose(client, name, 2, proposed(None))
    promote(name, 2, tracking_uri=store, reason="whatever the gate says")
    assert aliases(client, name) == (2, None)


def test_an_approval_moves_the_reference_only_if_the_evidence_does(
    client: MlflowClient, store: str, name: str
) -> None:
    promote(name, 1, tracking_uri=store, reason="first")
    propose(client, name, 2, proposed(1, moves_reference=False))
    approve(name, 2, tracking_uri=store, reason="newer data")
    assert version_with_alias(client, name, REFERENCE) == 1
    propose(client, name, 3, proposed(2))
    approve(name, 3, tracking_uri=store, reason="better beyond doubt")
    assert version_with_alias(client, name, REFERENCE) is None
    assert Ledger(client, name).standing().reference == 3


def test_a_model_that_was_rejected_is_known_to_the_next_night(
    store: str, toy: ToyExport, tmp_path: Path
) -> None:
    name = tmp_path.name
    register_model(toy.export, PASSED, name=name, tracking_uri=store, run_id=None)
    approve(name, None, tracking_uri=store, reason="the first")
    other = dataclasses.replace(toy.export, digest="another")
    register_model(other, proposed(1), name=name, tracking_uri=store, run_id=None)
    reject(name, 2, tracking_uri=store, reason="no")
    champion = find_incumbents(name, store, tmp_path).champion
    assert champion is not None
    assert champion.rolled_back_digests == ("another",)
