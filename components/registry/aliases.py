"""The aliases ``champion``, ``previous`` and ``reference``, which follow the ledger.

MLflow has no compare-and-set for an alias; the ledger has. A move names the champion that it
expects to replace and writes its record; only if the record counts do the aliases move.
"""

from __future__ import annotations

import time

from components.errors import NotFoundError, RegistryError
from components.registry.ledger import (
    Action,
    Ledger,
    Record,
    Standing,
    version_text,
    write_again_if_taken,
)
from components.tracking.client import MlflowClient, MlflowException, connect
from components.tracking.errors import registry_errors

CHAMPION = "champion"
PREVIOUS = "previous"
REFERENCE = "reference"
"""The model that the best evidence supports; no version has it where the champion is the
reference."""

CANDIDATE = "candidate"
"""The version that passed the gate and waits for a person (``components.registry.approvals``)."""

_MISSING = frozenset({"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "NOT_FOUND"})
_SETTLE_SECONDS = 1.0
"""How long an alias may lag behind the ledger before a person must have moved it."""


def version_with_alias(client: MlflowClient, name: str, alias: str) -> int | None:
    """The version that holds an alias; None if none does or the model is not registered."""
    try:
        # Not by the request for one alias: MLflow's basic-auth answers that with "permission
        # denied" for a model that does not exist yet, unless an administrator asks.
        version = client.get_registered_model(name).aliases.get(alias)
    except MlflowException as error:
        if error.error_code in _MISSING:
            return None
        raise
    return None if version is None else int(version)


def champion_version(name: str, tracking_uri: str) -> int | None:
    """The version that is to serve; None as long as the model has no champion.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"find the champion of {name}"):
        return version_with_alias(connect(tracking_uri), name, CHAMPION)


def complete_moves(name: str, tracking_uri: str) -> None:
    """Completes a move that was interrupted, and records one that a person made in MLflow.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"complete the moves of {name}'s champion"):
        reconcile(connect(tracking_uri), name)


def list_moves(name: str, tracking_uri: str) -> tuple[Record, ...]:
    """The moves of the champion that count, oldest first; empty if there is none.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"list the moves of {name}'s champion"):
        return Ledger(connect(tracking_uri), name).standing().counted


def promote(name: str, version: int, *, tracking_uri: str, reason: str) -> int | None:
    """Makes a version the champion, whatever the gate said; the last champion gets ``previous``.

    Returns:
        The version that was champion before; None if there was none.

    Raises:
        NotFoundError: there is no such version.
        RegistryError: the server is unreachable or rejects the request, or the champion was
          replaced meanwhile.
    """
    with registry_errors(tracking_uri, f"promote version {version} of {name}"):
        client = connect(tracking_uri)
        if not _exists(client, name, version):
            raise NotFoundError(
                f"{name} has no version {version}. `rnnflow status` lists the versions."
            )
        ledger = Ledger(client, name)
        standing = _reconcile(client, name, ledger)
        if standing.champion != version:
            _move(client, name, ledger, standing, version, "promote", reason)
    return standing.champion


def rollback(name: str, *, tracking_uri: str, reason: str) -> tuple[int, int]:
    """Gives ``champion`` back to the champion before it; a second rollback goes one further back.

    Returns:
        The version that was champion, and the one that is now.

    Raises:
        NotFoundError: there is no champion, or none before it.
        RegistryError: the server is unreachable or rejects the request, or the champion was
          replaced meanwhile.
    """
    with registry_errors(tracking_uri, f"roll {name} back"):
        client = connect(tracking_uri)
        ledger = Ledger(client, name)
        standing = _reconcile(client, name, ledger)
        before = standing.champion
        after = _existing_predecessor(client, name, standing)
        if before is None or after is None:
            raise NotFoundError(
                f"{name} has no {CHAMPION if before is None else PREVIOUS} version to roll back "
                f"{'from' if before is None else 'to'}. `rnnflow status` lists its versions, and "
                f"`rnnflow promote {name} VERSION` chooses one."
            )
        _move(client, name, ledger, standing, after, "rollback", reason)
    return before, after


def move_champion(
    client: MlflowClient,
    name: str,
    expected: int | None,
    version: int,
    action: Action,
    reason: str,
    moves_reference: bool = True,
) -> None:
    """Gives ``champion`` to ``version`` if ``expected`` has it; moves nothing otherwise.

    A version that is the champion already stays it, without a new record.

    Raises:
        RegistryError: another version than ``expected`` is the champion, or becomes it meanwhile.
    """
    ledger = Ledger(client, name)
    standing = _reconcile(client, name, ledger)
    if standing.champion == version:
        return
    if standing.champion != expected:
        raise _replaced(name, expected, standing, version)
    _move(client, name, ledger, standing, version, action, reason, moves_reference)


def _move(
    client: MlflowClient,
    name: str,
    ledger: Ledger,
    standing: Standing,
    version: int,
    action: Action,
    reason: str,
    moves_reference: bool = True,
) -> None:
    expected = standing.champion
    record = ledger.append(action, expected, version, reason, moves_reference)
    standing = ledger.standing()
    if record.number not in {each.number for each in standing.counted}:
        ledger.mark_void(record)
        raise _replaced(name, expected, standing, version)
    _follow(client, name, ledger, standing)


def reconcile(client: MlflowClient, name: str) -> Standing:
    """Makes ledger and aliases agree, and returns what both say.

    A move that was interrupted is completed. An alias that a person moved in MLflow's pages is
    written into the ledger: the person is right.
    """
    return _reconcile(client, name, Ledger(client, name))


def _reconcile(client: MlflowClient, name: str, ledger: Ledger) -> Standing:
    standing = ledger.standing()
    actual = version_with_alias(client, name, CHAMPION)
    while actual != standing.champion:
        # Another client may be in the middle of a move: it is given time to complete it.
        time.sleep(_SETTLE_SECONDS)
        before, standing = standing, ledger.standing()
        actual = version_with_alias(client, name, CHAMPION)
        if standing == before:
            break
    if _is_interrupted(standing):
        return _follow(client, name, ledger, standing)
    if actual == standing.champion:
        return standing
    why = f"the alias {CHAMPION} was moved in MLflow"
    ledger.append("by hand", standing.champion, actual, why)
    return _follow(client, name, ledger, ledger.standing())


def _is_interrupted(standing: Standing) -> bool:
    last = standing.counted[-1] if standing.counted else None
    return last is not None and last.number > 0 and not last.applied


def _follow(client: MlflowClient, name: str, ledger: Ledger, standing: Standing) -> Standing:
    """Moves the aliases to where the ledger says, and returns the standing that they show.

    Whoever writes an alias reads the ledger once more afterwards: a slow client that writes an old
    value finds the newer record itself, and writes again. So the last write is the right one.
    """
    while True:
        _set_alias(client, name, PREVIOUS, _existing_predecessor(client, name, standing))
        reference = None if standing.reference == standing.champion else standing.reference
        exists = reference is not None and _exists(client, name, reference)
        _set_alias(client, name, REFERENCE, reference if exists else None)
        # The champion last: an interruption before it leaves an alias that differs from the ledger,
        # which the next client notices and completes.
        _set_alias(client, name, CHAMPION, standing.champion)
        # Whoever made it the champion: what serves waits for nobody.
        if version_with_alias(client, name, CANDIDATE) == standing.champion:
            _set_alias(client, name, CANDIDATE, None)
        shown, standing = standing, ledger.standing()
        if shown == standing:
            break
    if _is_interrupted(standing):
        ledger.mark_applied(standing.counted[-1])
    return standing


def _set_alias(client: MlflowClient, name: str, alias: str, version: int | None) -> None:
    if version is not None:
        write_again_if_taken(lambda: client.set_registered_model_alias(name, alias, str(version)))
    elif version_with_alias(client, name, alias) is not None:
        client.delete_registered_model_alias(name, alias)


def _existing_predecessor(client: MlflowClient, name: str, standing: Standing) -> int | None:
    """The last champion before this one that nobody deleted."""
    known = reversed(standing.predecessors)
    return next((version for version in known if _exists(client, name, version)), None)


def _exists(client: MlflowClient, name: str, version: int) -> bool:
    try:
        client.get_model_version(name, str(version))
    except MlflowException as error:
        if error.error_code not in _MISSING:
            raise
        return False
    return True


def _replaced(name: str, expected: int | None, standing: Standing, version: int) -> RegistryError:
    """Says who holds the alias, who moved it, what was expected, and what to do."""
    holder = f"{version_text(standing.champion)} holds the alias {CHAMPION!r} now"
    if standing.counted:
        last = standing.counted[-1]
        holder += f" ({last.action}, {last.who}, {last.when}: {last.why})"
    if expected == version:
        # The candidate is the champion of before: nothing was compared, and nothing is missing.
        return RegistryError(
            f"version {version} of {name} was the champion when this run began, and the run made "
            f"the same model again; meanwhile the champion was replaced: {holder}. Nothing was "
            f"moved. If version {version} is to serve, `rnnflow promote {name} {version}`."
        )
    return RegistryError(
        f"version {version} of {name} was not made champion: the gate compared it with "
        f"{version_text(expected)}, which was the champion then, but {holder}. Run again to "
        f"compare with {version_text(standing.champion)}; `rnnflow status` shows the versions."
    )
