"""The versions of a registered model, as MLflow knows them."""

from __future__ import annotations

import dataclasses

from components.artifacts.values import Decision
from components.tracking.client import MlflowClient, MlflowException, ModelVersion, connect, quoted
from components.tracking.errors import registry_errors
from components.tracking.values import REGISTRY_TEXT_LENGTH, storable

DIGEST_TAG = "rnnflow.model_digest"
SAVED_MODEL_DIGEST_TAG = "rnnflow.saved_model_digest"
"""Digest of the files that serve."""
DECISION_TAG = "rnnflow.decision"
APPROVED, REJECTED = "approved", "rejected"
"""What ``DECISION_TAG`` says of a version that passed the gate, once a person has spoken."""
REASON_TAG = "rnnflow.decision_reason"
_VERDICTS = ("Promoted:", "Proposed:", "Refused:")
"""How the reason of a decision begins."""


@dataclasses.dataclass(frozen=True)
class RegisteredVersion:
    """One version as the registry knows it."""

    version: int
    aliases: tuple[str, ...]
    decision: str
    """``promoted``, ``proposed`` or ``refused`` by the gate; ``approved`` or ``rejected`` by a
    person."""
    created_milliseconds: int
    """Since 1970, UTC."""


def list_versions(name: str, tracking_uri: str) -> tuple[RegisteredVersion, ...]:
    """Every version of a registered model, newest first; empty if there is none.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"list the versions of {name}"):
        client = connect(tracking_uri)
        aliases = aliases_by_version(client, name)
        found = [
            RegisteredVersion(
                version=int(version.version),
                aliases=tuple(sorted(aliases.get(int(version.version), []))),
                decision=version.tags.get(DECISION_TAG, ""),
                created_milliseconds=int(version.creation_timestamp),
            )
            for version in search_versions(client, f"name = {quoted(name)}")
        ]
    return tuple(sorted(found, key=lambda each: -each.version))


def ensure_registered(client: MlflowClient, name: str, description: str) -> None:
    """Makes a registered model if it is missing; a description that a person wrote is kept."""
    try:
        client.create_registered_model(name, description=description)
    except MlflowException as error:
        # It was there, or another client made it at the same moment.
        if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}:
            raise
        if not client.get_registered_model(name).description:
            client.update_registered_model(name, description)


def write_decision(client: MlflowClient, name: str, version: int, decision: Decision) -> None:
    """Writes what the gate decided on a version's page: as tags, and rule by rule in words.

    A description that a person wrote is kept.
    """
    number, reason = str(version), storable(decision.reason)[:REGISTRY_TEXT_LENGTH]
    word = "promoted" if decision.unchanged else decision.verdict
    client.set_model_version_tag(name, number, DECISION_TAG, word)
    client.set_model_version_tag(name, number, REASON_TAG, reason)
    described = client.get_model_version(name, number).description or ""
    if not described or described.startswith(_VERDICTS):
        rules = (f"- {'✓' if rule.passed else '✕'} {rule.reason}" for rule in decision.rules)
        text = "\n".join([reason, "", *map(storable, rules)])
        client.update_model_version(name, number, text[:REGISTRY_TEXT_LENGTH])


def search_versions(client: MlflowClient, query: str) -> list[ModelVersion]:
    """Every version that a filter finds, over all pages."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(query, max_results=1000, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def aliases_by_version(client: MlflowClient, name: str) -> dict[int, list[str]]:
    """The aliases by version; a search for versions does not return them on every store."""
    try:
        held = client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code == "RESOURCE_DOES_NOT_EXIST":
            return {}
        raise
    result: dict[int, list[str]] = {}
    for alias, version in held.items():
        result.setdefault(int(version), []).append(alias)
    return result
