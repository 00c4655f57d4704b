"""Runs that were due while nobody could start them: one is enough, as each takes all rows."""

from __future__ import annotations

from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

_MOST = 200
"""Prefect's own limit of an answer; it schedules at most a hundred runs ahead."""


def cancel_backlog(deployment: str) -> int:
    """Cancels the late runs of a deployment but for the newest; returns how many.

    Args:
        deployment: ``<flow>/<deployment>``; one that does not exist has none.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return 0
        scheduled = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[found.id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
            ),
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=_MOST,
        )
        now = datetime.now(UTC)
        late = [
            run for run in scheduled if run.expected_start_time and run.expected_start_time < now
        ]
        covered = late[:-1]
        for run in covered:
            message = "It was due while no schedule was served; the newest such run covers it."
            client.set_flow_run_state(run.id, Cancelled(message=message), force=True)
        return len(covered)
