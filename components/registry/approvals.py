"""Models that passed the gate and wait for a person: the alias ``candidate``, approved or rejected.

With ``gate.promotion: manual`` a passed gate moves ``candidate`` and not ``champion``. A person
approves, which is a move as any other: it counts if the champion is still the one that the gate
compared with. Or rejects, which moves nothing. Both leave a record in the ledger.
"""

from __future__ import annotations

from components.artifacts.values import Decision
from components.errors import NotFoundError, RegistryError
from components.registry.aliases import CANDIDATE, move_champion, reconcile, version_with_alias
from components.registry.ledger import Ledger, version_text, write_again_if_taken
from components.registry.versions import APPROVED, DECISION_TAG, REJECTED
from components.tracking.client import MlflowClient, connect
from components.tracking.errors import registry_errors

_AGAINST_TAG = "rnnflow.compared_with"
"""Of a candidate: the champion that the gate held it against; ``none`` if there was none."""
_REFERENCE_TAG = "rnnflow.moves_reference"


def propose(client: MlflowClient, name: str, version: int, decision: Decision) -> None:
    """Makes a version the candidate, in place of one that still waits.

    The candidate's newest decision is what a person is asked about.
    """
    against = decision.champion_version
    number = str(version)
    # Before the alias: whoever finds the candidate finds what it was compared with.
    client.set_model_version_tag(name, number, _AGAINST_TAG, str(against or "none"))
    client.set_model_version_tag(name, number, _REFERENCE_TAG, str(decision.moves_reference))
    write_again_if_taken(lambda: client.set_registered_model_alias(name, CANDIDATE, number))


def approve(
    name: str, version: int | None, *, tracking_uri: str, reason: str
) -> tuple[int | None, int]:
    """Makes the candidate the champion.

    Args:
        name: the registered model.
        version: which must be the candidate; None takes it whatever its number is.
        tracking_uri: address of MLflow.
        reason: for the record.

    Returns:
        The version that was champion before, None if there was none; and the one that is now.

    Raises:
        NotFoundError: there is no candidate, or it is another version.
        RegistryError: the server is unreachable or rejects the request, or the champion is not the
          one any more that the gate compared with.
    """
    with registry_errors(tracking_uri, f"approve the candidate of {name}"):
        client = connect(tracking_uri)
        candidate = _candidate(client, name, version)
        tags = client.get_model_version(name, str(candidate)).tags
        against = tags.get(_AGAINST_TAG, "none")
        expected = None if against == "none" else int(against)
        moves_reference = tags.get(_REFERENCE_TAG) != "False"
        move_champion(client, name, expected, candidate, "approve", reason, moves_reference)
        client.set_model_version_tag(name, str(candidate), DECISION_TAG, APPROVED)
    return expected, candidate


def reject(name: str, version: int | None, *, tracking_uri: str, reason: str) -> int:
    """Takes the candidate back; the champion stays.

    Returns:
        The version that was the candidate.

    Raises:
        NotFoundError: there is no candidate, or it is another version.
        RegistryError: the server is unreachable or rejects the request, or the champion was moved
          at the same moment.
    """
    with registry_errors(tracking_uri, f"reject the candidate of {name}"):
        client = connect(tracking_uri)
        candidate = _candidate(client, name, version)
        champion = reconcile(client, name).champion
        ledger = Ledger(client, name)
        why = f"version {candidate}: {reason}"
        record = ledger.append("reject", champion, champion, why, moves_reference=False)
        standing = ledger.standing()
        if record.number not in {each.number for each in standing.counted}:
            ledger.mark_void(record)
            raise RegistryError(
                f"version {candidate} of {name} was not rejected: the champion was moved at the "
                f"same moment, to {version_text(standing.champion)}. `rnnflow history {name}` "
                "shows by whom."
            )
        # Before the alias goes: one that is cut off here is rejected again.
        client.set_model_version_tag(name, str(candidate), DECISION_TAG, REJECTED)
        # A newer candidate that came meanwhile stays.
        if version_with_alias(client, name, CANDIDATE) == candidate:
            client.delete_registered_model_alias(name, CANDIDATE)
        ledger.mark_applied(record)
    return candidate


def _candidate(client: MlflowClient, name: str, version: int | None) -> int:
    candidate = version_with_alias(client, name, CANDIDATE)
    if candidate is None:
        raise NotFoundError(
            f"{name} has no version that waits for approval: none was proposed since the last "
            f"decision. `rnnflow history {name}` shows the decisions."
        )
    if version not in (None, candidate):
        raise NotFoundError(
            f"version {version} of {name} does not wait for approval, version {candidate} does. "
            "Give its number, or none."
        )
    return candidate
