"""Runs that were due while nobody could start them: one is enough, as each takes all rows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled

_PAGE = 200
"""Prefect's own limit of an answer."""


def cancel_backlog(deployment: str) -> int:
    """Cancels the late runs of a deployment but for the newest; returns how many.

    Runs that somebody asked for with parameters of their own are left alone: no other covers them.

    Args:
        deployment: ``<flow>/<deployment>``; one that does not exist has none.
    """
    with get_client(sync_client=True) as client:
        try:
            found = client.read_deployment_by_name(deployment)
        except ObjectNotFound:
            return 0
        late = [
            run
            for run in _scheduled(client, found.id)
            if (due := run.expected_start_time)
            and due < datetime.now(UTC)
            and run.parameters == found.parameters
        ]
        covered = late[:-1]
        for run in covered:
            message = "It was due while no schedule was served; the newest such run covers it."
            client.set_flow_run_state(run.id, Cancelled(message=message), force=True)
        return len(covered)


def _scheduled(client: SyncPrefectClient, deployment: UUID) -> Iterator[FlowRun]:
    """The runs of a deployment that have not begun, by the time that they are due."""
    of_deployment = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED])),
    )
    for offset in itertools.count(0, _PAGE):
        page = client.read_flow_runs(
            flow_run_filter=of_deployment,
            sort=FlowRunSort.EXPECTED_START_TIME_ASC,
            limit=_PAGE,
            offset=offset,
        )
        yield from page
        if len(page) < _PAGE:
            return
