"""The last pipeline runs as MLflow holds them, for people who compare them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from components.tracking.client import connect, find_experiment
from components.tracking.errors import registry_errors
from components.tracking.tracker import RUN_ID_TAG


@dataclasses.dataclass(frozen=True)
class RunSummary:
    """One pipeline run: the parent, without its nested runs."""

    name: str
    status: str
    """MLflow's: RUNNING, FINISHED, FAILED or KILLED. The tags say more."""
    metrics: Mapping[str, float]
    """The last value of each metric."""
    params: Mapping[str, str]
    tags: Mapping[str, str]


def recent_runs(tracking_uri: str, experiment: str, count: int) -> tuple[RunSummary, ...]:
    """The last ``count`` pipeline runs of an experiment, newest first; empty if there are none.

    Raises:
        RegistryError: the server is unreachable or rejects the request.
    """
    with registry_errors(tracking_uri, f"list the runs of {experiment}"):
        client = connect(tracking_uri)
        found = find_experiment(client, experiment)
        if found is None:
            return ()
        # Only the parents: the nested run of a stage has no id of a pipeline run, and neither has a
        # sweep, or what others log to the experiment.
        runs = client.search_runs(
            [found],
            f"tags.`mlflow.parentRunId` IS NULL and tags.`{RUN_ID_TAG}` IS NOT NULL",
            max_results=count,
            order_by=["attributes.start_time DESC"],
        )
    return tuple(
        RunSummary(
            name=run.info.run_name or "",
            status=run.info.status,
            metrics=dict(run.data.metrics),
            params=dict(run.data.params),
            tags=dict(run.data.tags),
        )
        for run in runs
    )
