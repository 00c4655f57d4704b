"""Removes past flow runs beyond the limits of ``retention`` from Prefect, with their artifacts.

Of a name in a work directory these are the runs that claimed it, by their tags, and those of its
deployment that did not come so far: what was cancelled, and what was skipped. Others are never
touched. A run whose directory stays has a page in Prefect as long as that.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun
from prefect.client.schemas.sorting import FlowRunSort
from prefect.exceptions import ObjectNotFound

from components.config import RetentionConfig
from components.tracking.owner import Owner
from pipelines.upkeep.killed_runs import FLOW, owner_tags
from pipelines.work_directory import WorkDirectory

_PAGE: Final = 200
"""Prefect's own limit of an answer."""
_DAY_SECONDS: Final = 86_400


def prune_flow_runs(
    work: WorkDirectory,
    owner: Owner,
    name: str,
    retention: RetentionConfig,
    kept_runs: Collection[str],
    on_found: Callable[[str, int], None] = lambda what, size: None,
    *,
    dry_run: bool = False,
) -> None:
    """Removes the flow runs of a name that need not be kept.

    Args:
        work: the work directory.
        owner: this process, as the holder of its lock.
        name: of the model, and of the deployment.
        retention: the limits.
        kept_runs: the runs of the work directory that stay: so do their flow runs.
        on_found: called for each before it is removed, with what it is.
        dry_run: removes nothing.

    Raises:
        ServerAwayError: Prefect does not answer.
    """
    if retention.keep_runs is None:
        return
    outcomes = map(work.find_outcome, kept_runs)
    kept = {each.flow_run_id for each in outcomes if each}
    now = datetime.now(UTC)
    with get_client(sync_client=True) as client:
        for newer, run in enumerate(_past_runs(client, work, owner, name)):
            age_days = (now - _moment(run)).total_seconds() / _DAY_SECONDS
            if str(run.id) in kept or retention.keeps(newer, age_days):
                continue
            on_found(f"Prefect flow run {run.name}", 0)
            if not dry_run:
                _remove(client, run)


def _past_runs(
    client: SyncPrefectClient, work: WorkDirectory, owner: Owner, name: str
) -> list[FlowRun]:
    """Those that are over, the newest first."""
    found = {run.id: run for run in _read(client, tags=owner_tags(owner, name))}
    if (deployment := _own_deployment(client, work, name)) is not None:
        found |= {run.id: run for run in _read(client, deployment=deployment)}
    return sorted(found.values(), key=_moment, reverse=True)


def _own_deployment(client: SyncPrefectClient, work: WorkDirectory, name: str) -> UUID | None:
    """The deployment of that name, if its runs are of this work directory."""
    try:
        found = client.read_deployment_by_name(f"{FLOW}/{name}")
    except ObjectNotFound:
        return None
    return found.id if found.parameters.get("work_dir") == str(work.root) else None


def _read(
    client: SyncPrefectClient, *, tags: list[str] | None = None, deployment: UUID | None = None
) -> Iterator[FlowRun]:
    is_over = FlowRunFilterState(type=FlowRunFilterStateType(any_=sorted(TERMINAL_STATES)))
    chosen = FlowRunFilter(
        state=is_over,
        tags=None if tags is None else FlowRunFilterTags(all_=tags),
        deployment_id=None if deployment is None else FlowRunFilterDeploymentId(any_=[deployment]),
    )
    for offset in itertools.count(0, _PAGE):
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=[FLOW])),
            flow_run_filter=chosen,
            sort=FlowRunSort.ID_DESC,
            limit=_PAGE,
            offset=offset,
        )
        yield from page
        if len(page) < _PAGE:
            return


def _moment(run: FlowRun) -> datetime:
    found = run.end_time or run.expected_start_time or run.created
    assert found is not None, "the server says when it made a run"
    return found


def _remove(client: SyncPrefectClient, run: FlowRun) -> None:
    # What it left first: after a kill in between, the next call finds the rest by the run.
    left = client.read_artifacts(
        artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run.id]))
    )
    for artifact in left:
        client.delete_artifact(artifact.id)
    try:
        client.delete_flow_run(run.id)
    except ObjectNotFound:
        return  # somebody else has removed it meanwhile
