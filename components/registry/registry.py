"""export -> version: the models in MLflow's registry, and which of them serves.

Every export that is registered becomes one model version: a pyfunc that holds the SavedModel and
takes rows of any length. ``champion`` is the alias of the version that serves; only a passed gate,
or a person, moves it.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import mlflow.artifacts

from components.artifacts.storage import building, digest_of_directory, is_complete
from components.artifacts.values import Champion, Decision, Export, Incumbents, Past, Version
from components.errors import NotFoundError, RegistryAwayError, RegistryError
from components.registry.aliases import (
    CHAMPION,
    PREVIOUS,
    REFERENCE,
    champion_version,
    complete_moves,
    list_moves,
    move_champion,
    promote,
    rollback,
    version_with_alias,
)
from components.registry.approvals import propose
from components.registry.ledger import Ledger
from components.registry.packaging import SAVED_MODEL, UPLOAD_SECONDS, create_version
from components.registry.versions import (
    DECISION_TAG,
    DIGEST_TAG,
    REJECTED,
    SAVED_MODEL_DIGEST_TAG,
    RegisteredVersion,
    aliases_by_version,
    list_versions,
    search_versions,
    write_decision,
)
from components.tracking.client import MlflowClient, ModelVersion, connect, quoted, request_timeout
from components.tracking.errors import registry_errors

__all__ = [
    "CHAMPION",
    "DIGEST_TAG",
    "PREVIOUS",
    "REFERENCE",
    "RegisteredVersion",
    "champion_version",
    "complete_moves",
    "fetch_version",
    "find_champion",
    "find_incumbents",
    "list_moves",
    "list_versions",
    "promote",
    "register_model",
    "rollback",
]

_DAY_SECONDS = 86_400


def find_champion(name: str, tracking_uri: str, directory: Path) -> Champion | None:
    """The version that serves now, with a local copy of its SavedModel.

    Args:
        name: the registered model.
        tracking_uri: address of MLflow.
        directory: holds the fetched champions; one that exists is not fetched again.

    Returns:
        None as long as the model has no champion.

    Raises:
        RegistryError: the server is unreachable or rejects the request, or the champion's files are
          not those that were registered.
        NotFoundError: the champion was not registered by this project.
    """
    with registry_errors(tracking_uri, f"find the champion of {name}"):
        client = connect(tracking_uri)
        number = version_with_alias(client, name, CHAMPION)
        return None if number is None else _model(client, name, number, directory)


def find_incumbents(name: str, tracking_uri: str, directory: Path) -> Incumbents:
    """What a candidate is held against: the champion, the reference, and the nights before.

    A reference that cannot be fetched is none: the champion serves without it.

    Raises:
        RegistryError: as ``find_champion`` does.
        NotFoundError: as ``find_champion`` does.
    """
    champion = find_champion(name, tracking_uri, directory)
    with registry_errors(tracking_uri, f"find what the champion of {name} was compared with"):
        client = connect(tracking_uri)
        ledger = Ledger(client, name)
        standing, looks = ledger.standing(), ledger.looks()
    reference, missing = None, ""
    if champion is not None and standing.reference not in {None, champion.version}:
        number = int(standing.reference or 0)
        try:
            with registry_errors(tracking_uri, f"find the reference of {name}"):
                reference = _model(client, name, number, directory)
        except RegistryAwayError:
            raise
        except (NotFoundError, RegistryError) as error:
            missing = f"version {number} cannot be had ({error})"
    moves = (record.when for record in reversed(standing.counted) if record.action != "reject")
    served = next(moves, "")
    past = Past(_days_since(served), _days_since(standing.reference_since), missing, looks)
    return Incumbents(champion, reference, past)


def _model(client: MlflowClient, name: str, number: int, directory: Path) -> Champion:
    version = client.get_model_version(name, str(number))
    digest, copy = _local_copy(client, version, directory)
    unwanted = Ledger(client, name).standing().rolled_back
    rolled_back = tuple(
        each.tags[DIGEST_TAG]
        for each in search_versions(client, f"name = {quoted(name)}")
        if (int(each.version) in unwanted or each.tags.get(DECISION_TAG) == REJECTED)
        and DIGEST_TAG in each.tags
    )
    return Champion(name, number, str(copy / SAVED_MODEL), digest, rolled_back)


def _days_since(when: str) -> float:
    if not when:
        return 0.0
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(when)
    return age.total_seconds() / _DAY_SECONDS


def fetch_version(name: str, number: int, tracking_uri: str, directory: Path) -> Path:
    """A local copy of the SavedModel of any version, whatever the gate said of it.

    Args:
        name: the registered model.
        number: of the version.
        tracking_uri: address of MLflow.
        directory: holds the fetched versions; one that exists is not fetched again.

    Raises:
        RegistryError: the server is unreachable or rejects the request, or the version's files are
          not those that were registered.
        NotFoundError: there is no such version, or it was not registered by this project.
    """
    with registry_errors(tracking_uri, f"find version {number} of {name}"):
        client = connect(tracking_uri)
        if number not in {
            int(e.version) for e in search_versions(client, f"name = {quoted(name)}")
        }:
            raise NotFoundError(
                f"{name} has no version {number}. `rnnflow status` lists the versions."
            )
        version = client.get_model_version(name, str(number))
        _, copy = _local_copy(client, version, directory)
    return copy / SAVED_MODEL


def register_model(
    export: Export,
    decision: Decision,
    *,
    name: str,
    tracking_uri: str,
    run_id: str | None,
) -> Version:
    """Registers an export and, if the gate promotes it, makes it the champion, or the candidate.

    A model that is registered already (same digest) gets no second version. A refused model is
    registered without an alias, with the reason in its tags and its description. A model that is
    the champion already stays as it is.

    Args:
        export: the checked SavedModel.
        decision: of the gate; the version that it compared with must still be the champion.
        name: the registered model; it is made if it is missing.
        tracking_uri: address of MLflow.
        run_id: the MLflow run that made the model; without one, a run is made to hold it.

    Raises:
        RegistryError: the server is unreachable or rejects the request, or the champion was moved
          after the gate compared with it; then the version is registered and nothing is promoted.
    """
    with registry_errors(tracking_uri, f"register the model {name}"):
        client = connect(tracking_uri)
        found = _find_version(client, name, export.digest)
        number = found or create_version(client, export, name, run_id)
        if decision.look is not None:
            # Before the move: a candidate counts for its test rows whatever becomes of it.
            Ledger(client, name).append_look(decision.look)
        if decision.verdict == "proposed":
            propose(client, name, number, decision)
        elif decision.promoted:
            move_champion(
                client, name, decision.champion_version, number, "gate", decision.reason,
                decision.moves_reference,
            )  # fmt: skip
        if found is None or not decision.unchanged:
            # After the move, so that no version is called promoted that never was the champion.
            # A champion that stays keeps the reason for which it became the champion.
            write_decision(client, name, number, decision)
        aliases = tuple(sorted(aliases_by_version(client, name).get(number, [])))
    return Version(name, number, aliases, reused=found is not None)


def _find_version(client: MlflowClient, name: str, digest: str) -> int | None:
    # A version that is not READY (yet) cannot be loaded.
    query = f"name = {quoted(name)} and tags.`{DIGEST_TAG}` = {quoted(digest)}"
    ready = [int(each.version) for each in search_versions(client, query) if each.status == "READY"]
    return max(ready, default=None)


def _local_copy(client: MlflowClient, version: ModelVersion, directory: Path) -> tuple[str, Path]:
    """The digest of a version's model, and a copy of its files, fetched if it is not there."""
    name, number = version.name, version.version
    digest = version.tags.get(DIGEST_TAG)
    if digest is None:
        raise NotFoundError(
            f"version {number} of {name} has no tag {DIGEST_TAG}: it was not registered by rnnflow "
            "and cannot be compared with. If it is the champion, give the alias to another "
            "version, or choose another name in the config."
        )
    # Named by version and digest: a registry that was made again may reuse a number.
    copy = directory / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{number}-{digest[:12]}"
    if not is_complete(copy) or not _is_genuine(copy, version):
        _fetch(client, version, copy)
    if not _is_genuine(copy, version):
        raise RegistryError(
            f"the files of version {number} of {name} at {version.source} are not those that were "
            "registered: their digest differs. They were damaged or replaced. Put them back, or, "
            "if it is the champion, make another version the champion: `rnnflow rollback "
            f"{name} --reason TEXT`."
        )
    return digest, copy


def _is_genuine(copy: Path, version: ModelVersion) -> bool:
    """Whether a copy holds the files that were registered.

    Releases before this check registered no digest; their versions are taken as they are.
    """
    registered = version.tags.get(SAVED_MODEL_DIGEST_TAG)
    return registered in {None, digest_of_directory(copy / SAVED_MODEL)}


def _fetch(client: MlflowClient, version: ModelVersion, copy: Path) -> None:
    """Copies the SavedModel out of a model version."""
    # Whole or not at all: a copy that a kill cut short would be scored in later runs.
    uri = client.get_model_version_download_uri(version.name, version.version)
    with building(copy) as partial, request_timeout(UPLOAD_SECONDS):
        mlflow.artifacts.download_artifacts(
            artifact_uri=f"{uri}/artifacts/{SAVED_MODEL}",
            dst_path=str(partial),
            tracking_uri=client.tracking_uri,
            registry_uri=client.tracking_uri,
        )
        # An artifact store may give the directory itself or the one around it.
        inner = partial / "artifacts" / SAVED_MODEL
        if inner.is_dir():
            inner.replace(partial / SAVED_MODEL)
