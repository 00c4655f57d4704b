"""Ends flow runs that were killed and are still Running in Prefect.

The next run of the same work directory does so.

With a Prefect server of your own an automation does this within minutes, without a next run: see
``infra/shared/killed_runs.yaml``.
"""

from __future__ import annotations

import logging
from pathlib import Path

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.runtime import flow_run
from prefect.states import Crashed

LOGGER = logging.getLogger("rnnflow")


def mark_killed_flow_runs(work_dir: Path) -> int:
    """Ends, as Crashed, the other Running flow runs of a work directory; counts them.

    Call it while the work directory's lock is held: no other run can be alive then.
    """
    running = FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING]))
    with get_client(sync_client=True) as client:
        found = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=["rnnflow"])),
            flow_run_filter=FlowRunFilter(state=running),
        )
        killed = [
            run
            for run in found
            if Path(str(run.parameters.get("work_dir"))) == work_dir and str(run.id) != flow_run.id
        ]
        for run in killed:
            message = "The process was killed; the next run of its work directory found it."
            client.set_flow_run_state(run.id, Crashed(message=message), force=True)
            LOGGER.info("Flow run %s was killed; it is marked as crashed.", run.name)
    return len(killed)
