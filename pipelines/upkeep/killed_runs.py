"""Ends flow runs that were killed and are still Running in Prefect.

The next run of the same work directory and the same model does so. What tells a killed run from a
live one is in ``components.tracking.owner``. A flow run says by its tags which work directory and
which model it is of, and has the rest, with its heartbeat, in its labels.

With a Prefect server of your own an automation does this within minutes, without a next run: see
``infra/shared/killed_runs.yaml``.
"""

from __future__ import annotations

import logging
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
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

from components.tracking.owner import STALE_SECONDS, Owner, heartbeat_tag

LOGGER = logging.getLogger("rnnflow")


def claim_flow_run(owner: Owner, name: str) -> UUID:
    """Records in Prefect whose this flow run is; returns its id."""
    run_id = UUID(str(flow_run.id))
    with get_client(sync_client=True) as client:
        tags = {*client.read_flow_run(run_id).tags, *_tags(owner, name)}
        # The labels first: who finds the tags may rely on them.
        client.update_flow_run_labels(run_id, dict(owner.tags()))
        client.update_flow_run(run_id, tags=sorted(tags))
    return run_id


def beat_flow_run(run_id: UUID) -> None:
    """Renews the heartbeat of a flow run."""
    with get_client(sync_client=True) as client:
        client.update_flow_run_labels(run_id, dict(heartbeat_tag()))


def mark_killed_flow_runs(owner: Owner, name: str, stale_seconds: float = STALE_SECONDS) -> int:
    """Ends, as Crashed, the other flow runs of this work directory and model that are gone.

    Call it while the work directory's lock is held.

    Args:
        owner: the run that asks.
        name: of the model.
        stale_seconds: see ``Owner.proves_gone``.

    Returns:
        How many it ended.
    """
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    ours = FlowRunFilterTags(all_=_tags(owner, name))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["rnnflow"])),
            flow_run_filter=FlowRunFilter(state=running, tags=ours),
        )
        gone = [
            run
            for run in found
            if str(run.id) != flow_run.id and owner.proves_gone(run.labels, stale_seconds)
        ]
        for run in gone:
            message = "The process was killed; the next run of its work directory found it."
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            LOGGER.info("Flow run %s was killed; it is marked as crashed.", run.name)
    return len(gone)


def _tags(owner: Owner, name: str) -> list[str]:
    return [f"work-dir:{owner.work_dir_id}", f"model:{name}"]
