"""The aliases ``champion`` and ``previous``, moved one step at a time and with a record.

MLflow has no compare-and-set for an alias. Here a move names the version that it expects to
replace, checks it directly before, checks the result after, and holds a lock against the other
processes of this machine; a move from another machine at the same instant is found by the second
check. Each move is kept in tags of both versions and in the history of the registered model.
"""

from __future__ import annotations

import datetime
import getpass
import hashlib
import json
import os
import socket
import tempfile
from pathlib import Path
from typing import Literal

from components.artifacts.storage import locked_file
from components.errors import NotFoundError, RegistryError
from components.registry.versions import DEMOTED_TAG
from components.tracking.client import MlflowClient, MlflowException, connect
from components.tracking.errors import registry_errors

CHAMPION = "champion"
PREVIOUS = "previous"
HISTORY_TAG = "rnnflow.history"
PROMOTED_TAG = "rnnflow.promoted"
HISTORY_LENGTH = 100
REASON_LENGTH = 500

_MISSING = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})


def version_with_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """The version that holds an alias; None if none does or the model is not registered."""
    try:
        return int(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise


def promote(name: str, version: int, *, tracking_uri: str, reason: str) -> int | None:
    """Makes a version the champion, whatever the gate said; the last champion gets ``previous``.

    Returns:
        The version that was champion before; None if there was none.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the server is unreachable or rejects the request, or the alias was moved
          meanwhile.
    """
    with registry_errors(tracking_uri, f"promote version {version} of {name}"):
        client = connect(tracking_uri)
        _require_version(client, name, version)
        before = version_with_alias(client, name, CHAMPION)
        move_champion(client, name, before, version, "promote", reason)
    return before


def rollback(name: str, *, tracking_uri: str, reason: str) -> tuple[int, int]:
    """Gives ``champion`` back to ``previous``, which takes the version that is rolled back.

    Returns:
        The version that was champion, and the one that is now.

    Raises:
        NotFoundError: there is no champion, or no previous one.
        RegistryError: the server is unreachable or rejects the request, or the alias was moved
          meanwhile.
    """
    with registry_errors(tracking_uri, f"roll {name} back"):
        client = connect(tracking_uri)
        before = version_with_alias(client, name, CHAMPION)
        after = version_with_alias(client, name, PREVIOUS)
        if before is None or after is None:
            raise NotFoundError(
                f"{name} has no {CHAMPION if before is None else PREVIOUS} version to roll back "
                f"{'from' if before is None else 'to'}. `rnnflow status` lists its versions, and "
                f"`rnnflow promote {name} VERSION` chooses one."
            )
        move_champion(client, name, before, after, "rollback", reason)
    return before, after


def move_champion(
    client: MlflowClient,
    name: str,
    expected: int | None,
    version: int,
    action: Literal["gate", "promote", "rollback"],
    reason: str,
) -> None:
    """Gives ``champion`` to ``version`` if ``expected`` has it; moves nothing otherwise.

    A version that is the champion already stays it, without a new record.

    Raises:
        RegistryError: another version than ``expected`` is the champion, or becomes it meanwhile.
    """
    # In the temporary directory: processes with different work directories share a registry.
    registry = hashlib.sha256(f"{client.tracking_uri} {name}".encode()).hexdigest()[:16]
    with locked_file(Path(tempfile.gettempdir()) / f"rnnflow-{os.getuid()}-{registry}.lock"):
        actual = version_with_alias(client, name, CHAMPION)
        if actual == version:
            return
        if actual != expected:
            raise _moved(name, expected, actual, version)
        if actual is not None:
            # Before the champion moves: a kill in between leaves a version to roll back to.
            client.set_registered_model_alias(name, PREVIOUS, str(actual))
        client.set_registered_model_alias(name, CHAMPION, str(version))
        _record(client, name, actual, version, action, reason)
        seen = version_with_alias(client, name, CHAMPION)
        if seen != version:
            raise _moved(name, version, seen, version)


def history(client: MlflowClient, name: str) -> list[dict[str, object]]:
    """The moves of the champion, oldest first: when, who, action, from, to, why."""
    entries = json.loads(client.get_registered_model(name).tags.get(HISTORY_TAG, "[]"))
    return list(entries)


def _require_version(client: MlflowClient, name: str, version: int) -> None:
    try:
        client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code not in _MISSING:
            raise
        raise NotFoundError(
            f"{name} has no version {version}. `rnnflow status` lists the versions."
        ) from error


def _moved(name: str, expected: int | None, actual: int | None, version: int) -> RegistryError:
    return RegistryError(
        f"version {version} of {name} was not made champion: expected {_described(expected)} as "
        f"the champion, found {_described(actual)}; it was moved meanwhile. Run again to compare "
        f"with {_described(actual)}; `rnnflow status` shows the versions."
    )


def _described(version: int | None) -> str:
    return "no version" if version is None else f"version {version}"


def _record(
    client: MlflowClient, name: str, before: int | None, after: int, action: str, reason: str
) -> None:
    entry: dict[str, object] = {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "who": _who(),
        "action": action,
        "from": before,
        "to": after,
        "why": reason[:REASON_LENGTH],
    }
    text = json.dumps(entry, ensure_ascii=False)
    entries = [*history(client, name), entry][-HISTORY_LENGTH:]
    client.set_registered_model_tag(name, HISTORY_TAG, json.dumps(entries, ensure_ascii=False))
    client.set_model_version_tag(name, str(after), PROMOTED_TAG, text)
    if before is not None:
        client.set_model_version_tag(name, str(before), DEMOTED_TAG, text)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a user without a name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"
