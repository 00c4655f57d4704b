"""Ends flow runs that are over and still Running in Prefect.

The next run of the same work directory and the same model does so. What tells a killed run from a
live one is in ``components.tracking.owner``. A flow run says by its tags which work directory and
which model it is of, and has the rest, with its heartbeat, in its labels.

With a Prefect server of your own an automation does this within minutes, without a next run: see
``pipelines.schedules.automation``.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import State, StateType
from prefect.runtime import flow_run
from prefect.states import Cancelled, Completed, Crashed, Failed

from components.tracking.owner import STALE_SECONDS, Owner, heartbeat_tag
from pipelines.work_directory import Outcome, Status, WorkDirectory

LOGGER = logging.getLogger("rnnflow")

FLOW = "rnnflow"
"""The name of the flow."""
_KILLED = "The process was killed; the next run of its work directory found it."
STATE_NAMES: Mapping[Status, str] = {
    "promoted": "Promoted",
    "proposed": "Proposed",
    "unchanged": "Unchanged",
    "done": "Completed",
    "refused": "Refused",
}
"""Of the flow run in Prefect; ``infra/shared/killed_runs.yaml`` must know each of them."""
SKIPPED = "Skipped"
"""The name of the state of a run that was due and had nothing to do."""


def claim_flow_run(owner: Owner, name: str) -> UUID:
    """Records in Prefect whose this flow run is; returns its id."""
    run_id = UUID(str(flow_run.id))
    with get_client(sync_client=True) as client:
        tags = {*client.read_flow_run(run_id).tags, *owner_tags(owner, name)}
        # The labels first: who finds the tags may rely on them.
        client.update_flow_run_labels(run_id, dict(owner.tags()))
        client.update_flow_run(run_id, tags=sorted(tags))
    return run_id


def beat_flow_run(run_id: UUID) -> None:
    """Renews the heartbeat of a flow run."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(run_id, dict(heartbeat_tag()))


def mark_killed_flow_runs(
    owner: Owner,
    name: str,
    stale_seconds: float = STALE_SECONDS,
    work: WorkDirectory | None = None,
) -> int:
    """Ends the other flow runs of this work directory and model that are gone.

    One that has an outcome ended while Prefect was away, and gets it; any other was killed, and is
    marked as Crashed. Call it while the work directory's lock is held.

    Args:
        owner: the run that asks.
        name: of the model.
        stale_seconds: see ``Owner.proves_gone``.
        work: holds the outcomes of runs that were not killed.

    Returns:
        How many it ended.
    """
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    ours = FlowRunFilterTags(all_=owner_tags(owner, name))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=FlowRunFilter(state=running, tags=ours),
        )
        gone = [
            run
            for run in found
            if str(run.id) != flow_run.id and owner.proves_gone(run.labels, stale_seconds)
        ]
        for run in gone:
            outcome = None if work is None else _outcome_of(work, str(run.id))
            state = Crashed(message=_KILLED) if outcome is None else final_state(outcome)
            client.set_flow_run_state(run.id, state, force=True)
            LOGGER.info("Flow run %s was over; it is marked as %s.", run.name, state.name)
    return len(gone)


def owner_tags(owner: Owner, name: str) -> list[str]:
    """The tags of the flow runs of a model in a work directory."""
    return [f"work-dir:{owner.work_dir_id}", f"model:{name}"]


def final_state(outcome: Outcome) -> State[Any]:
    """The state of the flow run of an outcome: a run that was refused is Completed, too."""
    if outcome.status == "failed":
        return Failed(message=outcome.reason)
    if outcome.status == "interrupted":
        return Cancelled(message=outcome.reason)
    return Completed(name=STATE_NAMES[outcome.status], message=outcome.reason)


def _outcome_of(work: WorkDirectory, flow_run_id: str) -> Outcome | None:
    outcomes = map(work.find_outcome, reversed(work.run_ids()))
    return next((each for each in outcomes if each and each.flow_run_id == flow_run_id), None)
