"""export -> version: the models in MLflow's registry, and which of them serves.

Every export that is registered becomes one model version: a pyfunc that holds the SavedModel and
takes rows of any length. ``champion`` is the alias of the version that serves; only a passed gate,
or a person, moves it.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path

import mlflow.artifacts

from components.aliases import CHAMPION, PREVIOUS, move_champion, promote, rollback
from components.aliases import version_with_alias as _version_with_alias
from components.artifacts import Champion, Decision, Export, Version, building, is_complete
from components.errors import NotFoundError
from components.mlflow_client import (
    LoggedModelOutput,
    MlflowClient,
    MlflowException,
    ModelVersion,
    Run,
    connect,
    ensure_experiment,
    patient,
    quoted,
    registry_errors,
)
from components.packaging import SAVED_MODEL, build_package

__all__ = [
    "CHAMPION",
    "PREVIOUS",
    "RegisteredVersion",
    "find_champion",
    "list_versions",
    "promote",
    "register_model",
    "rollback",
]

DIGEST_TAG = "rnnflow.model_digest"
DECISION_TAG = "rnnflow.decision"
REASON_TAG = "rnnflow.decision_reason"
UPLOAD_SECONDS = 60


@dataclasses.dataclass(frozen=True)
class RegisteredVersion:
    """One version as the registry knows it."""

    version: int
    aliases: tuple[str, ...]
    decision: str
    """``promoted`` or ``refused``: what the gate said of it."""
    reason: str
    digest: str
    """Digest of the trained model."""
    created_milliseconds: int
    """Since 1970, UTC."""
    run_id: str | None
    """The MLflow run that registered it."""
    tags: Mapping[str, str]


def find_champion(name: str, tracking_uri: str, directory: Path) -> Champion | None:
    """The version that serves now, with a local copy of its SavedModel.

    Args:
      name: the registered model.
      tracking_uri: address of MLflow.
      directory: where fetched champions lie; one that is there already is not fetched again.

    Returns:
      None as long as the model has no champion.

    Raises:
      RegistryError: the server is away or refuses.
      NotFoundError: the champion was not registered by this project.
    """
    with registry_errors(tracking_uri, f"look up the champion of {name}"):
        client = connect(tracking_uri)
        number = _version_with_alias(client, name, CHAMPION)
        if number is None:
            return None
        version = client.get_model_version(name, str(number))
        digest = version.tags.get(DIGEST_TAG)
        if digest is None:
            raise NotFoundError(
                f"version {number} of {name}, its champion, has no tag {DIGEST_TAG}: it was not "
                "registered by rnnflow and cannot be compared with. Give the alias to another "
                "version, or choose another name in the config."
            )
        place = directory / f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{number}-{digest[:12]}"
        if not is_complete(place):
            _fetch(client, version, place)
    return Champion(name, number, str(place / SAVED_MODEL), digest)


def register_model(
    export: Export,
    decision: Decision,
    *,
    name: str,
    tracking_uri: str,
    run_id: str | None,
    tags: Mapping[str, str] | None = None,
) -> Version:
    """Registers an export and, if the gate promotes it, makes it the champion.

    A model that is registered already (same digest) gets no second version. A refused model is
    registered without an alias, with the reason in its tags.

    Args:
      export: the checked SavedModel.
      decision: what the gate said; the version it compared with must still be the champion.
      name: the registered model; it is made if it is missing.
      tracking_uri: address of MLflow.
      run_id: the MLflow run that made the model; without one, a run is made to hold it.
      tags: more tags of the version.

    Raises:
      RegistryError: the server is away or refuses, or somebody else moved the champion after the
        gate compared with it; then the version is registered and nothing is promoted.
    """
    with registry_errors(tracking_uri, f"register the model {name}"):
        client = connect(tracking_uri)
        found = _find_version(client, name, export.digest)
        number = found or _create_version(client, export, name, run_id)
        for tag, value in _tags(decision, tags or {}).items():
            client.set_model_version_tag(name, str(number), tag, value)
        if decision.promoted:
            move_champion(client, name, decision.champion_version, number, "gate", decision.reason)
        aliases = tuple(sorted(_aliases(client, name).get(number, [])))
    return Version(name, number, aliases, reused=found is not None)


def list_versions(name: str, tracking_uri: str) -> tuple[RegisteredVersion, ...]:
    """Every version of a registered model, newest first; empty if there is none.

    Raises:
      RegistryError: the server is away or refuses.
    """
    with registry_errors(tracking_uri, f"list the versions of {name}"):
        client = connect(tracking_uri)
        aliases = _aliases(client, name)
        found = [_summary(each, aliases) for each in _search(client, f"name = {quoted(name)}")]
    return tuple(sorted(found, key=lambda each: -each.version))


def _summary(version: ModelVersion, aliases: Mapping[int, list[str]]) -> RegisteredVersion:
    return RegisteredVersion(
        version=int(version.version),
        aliases=tuple(sorted(aliases.get(int(version.version), []))),
        decision=version.tags.get(DECISION_TAG, ""),
        reason=version.tags.get(REASON_TAG, ""),
        digest=version.tags.get(DIGEST_TAG, ""),
        created_milliseconds=int(version.creation_timestamp),
        run_id=version.run_id or None,
        tags=dict(version.tags),
    )


def _tags(decision: Decision, more: Mapping[str, str]) -> dict[str, str]:
    word = "promoted" if decision.promoted else "refused"
    return {**more, DECISION_TAG: word, REASON_TAG: decision.reason}


def _find_version(client: MlflowClient, name: str, digest: str) -> int | None:
    query = f"name = {quoted(name)} and tags.`{DIGEST_TAG}` = {quoted(digest)}"
    ready = [int(each.version) for each in _search(client, query) if each.status == "READY"]
    return max(ready, default=None)


def _search(client: MlflowClient, query: str) -> list[ModelVersion]:
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(query, max_results=1000, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def _aliases(client: MlflowClient, name: str) -> dict[int, list[str]]:
    """The aliases by version; a search for versions does not tell them on every store."""
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


def _create_version(client: MlflowClient, export: Export, name: str, run_id: str | None) -> int:
    """Uploads the model as an output of its run and makes a version of it."""
    _ensure_registered(client, name)
    run = client.get_run(run_id) if run_id else _new_run(client, name)
    logged = client.create_logged_model(
        run.info.experiment_id,
        name,
        source_run_id=run.info.run_id,
        tags={DIGEST_TAG: export.digest},
        model_type="classifier",
    )
    with (
        build_package(Path(export.path), logged, run.info.run_id) as package,
        patient(UPLOAD_SECONDS),
    ):
        client.log_model_artifacts(logged.model_id, str(package))
    client.finalize_logged_model(logged.model_id, "READY")
    client.log_outputs(run.info.run_id, [LoggedModelOutput(logged.model_id, 0)])
    if not run_id:
        client.set_terminated(run.info.run_id)
    version = client.create_model_version(
        name,
        source=logged.artifact_location,
        run_id=run.info.run_id,
        tags={DIGEST_TAG: export.digest},
        model_id=logged.model_id,
    )
    return int(version.version)


def _ensure_registered(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_ALREADY_EXISTS", "ALREADY_EXISTS"}:
            raise


def _new_run(client: MlflowClient, name: str) -> Run:
    return client.create_run(ensure_experiment(client, name), run_name="registration")


def _fetch(client: MlflowClient, version: ModelVersion, place: Path) -> None:
    """Copies the SavedModel out of a model version."""
    uri = client.get_model_version_download_uri(version.name, version.version)
    with building(place) as partial, patient(UPLOAD_SECONDS):
        mlflow.artifacts.download_artifacts(
            artifact_uri=f"{uri}/artifacts/{SAVED_MODEL}",
            dst_path=str(partial),
            tracking_uri=client.tracking_uri,
            registry_uri=client.tracking_uri,
        )
        # An artifact store may give the directory itself or what lies around it.
        inner = partial / "artifacts" / SAVED_MODEL
        if inner.is_dir():
            inner.replace(partial / SAVED_MODEL)
