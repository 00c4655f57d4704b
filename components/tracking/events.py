"""How each kind of tracking event is applied to an MLflow run; all of them are idempotent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from components.tracking.client import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    MlflowClient,
    Param,
    Run,
    RunTag,
    quoted,
    request_timeout,
)
from components.tracking.journal import Event
from components.tracking.values import (
    DATASET_NAME_LENGTH,
    INPUT_TAG_LENGTH,
    NOTE_TAG,
    TAG_LENGTH,
    run_page,
)

ARTIFACT_TAG = "rnnflow.artifact"
"""Of a run that holds all files of an artifact: its stage and fingerprint."""
ARTIFACTS_IN_TAG = "rnnflow.artifacts_in"
"""Of a run that reused an artifact: the id of the run that holds the files."""
UPLOAD_SECONDS = 30
"""How long a request may take that uploads a file, to a server that has answered others."""


class GoneError(Exception):
    """What an event needs does not exist: its file was removed, or its run was rejected."""


def run_tags(event: Event) -> list[RunTag]:
    """The tags of an event."""
    return [RunTag(name, value[:TAG_LENGTH]) for name, value in event["tags"].items()]


def _log_params(client: MlflowClient, run: str, event: Event) -> None:
    client.log_batch(run, params=[Param(name, text) for name, text in event["params"].items()])


def _log_metrics(client: MlflowClient, run: str, event: Event) -> None:
    # MLflow itself drops a point that it has, by key, step, time and value.
    points = [Metric(name, value, ms, step) for name, value, step, ms in event["points"]]
    client.log_batch(run, metrics=points)


def _log_artifact(client: MlflowClient, run: str, event: Event) -> None:
    path, destination = Path(event["path"]), event["artifact_path"] or None
    if not path.exists():
        raise GoneError(f"{path} is gone")
    with request_timeout(UPLOAD_SECONDS):
        if path.is_dir():
            client.log_artifacts(run, str(path), destination)
        else:
            client.log_artifact(run, str(path), destination)


def _log_artifacts(client: MlflowClient, run: str, event: Event) -> None:
    """Uploads the files of an artifact, or names the run that holds them already."""
    name = event["artifact"]
    if event["reused"]:
        holder = _find_holder(client, run, name)
        if holder is not None and holder.info.run_id != run:
            link = run_page(holder.info.experiment_id, holder.info.run_id)
            text = f"Reused, not made again. Its files are in [the run that made them]({link})."
            tags = {ARTIFACTS_IN_TAG: holder.info.run_id, NOTE_TAG: text}
            client.log_batch(run, tags=[RunTag(*tag) for tag in tags.items()])
            return
    gone = []
    for path, destination in event["files"]:
        try:
            _log_artifact(client, run, {"path": path, "artifact_path": destination})
        except GoneError:
            gone.append(path)
    if gone:
        raise GoneError(f"{', '.join(gone)}: gone before they were sent")
    # Only now: no later run refers to files that are not all there.
    client.set_tag(run, ARTIFACT_TAG, name)


def _find_holder(client: MlflowClient, run: str, artifact: str) -> Run | None:
    """A run of the same experiment, not deleted, that holds all files of an artifact."""
    experiment = client.get_run(run).info.experiment_id
    query = f"tags.`{ARTIFACT_TAG}` = {quoted(artifact)}"
    found = client.search_runs([experiment], query, max_results=1)
    return found[0] if found else None


def _log_dataset(client: MlflowClient, run: str, event: Event) -> None:
    dataset = Dataset(
        name=event["name"][:DATASET_NAME_LENGTH],
        digest=event["digest"],
        source_type="local",
        source=json.dumps({"uri": event["source"]}),
        schema=json.dumps(event["schema"]),
        profile=json.dumps(event["profile"]),
    )
    context = event["context"][:INPUT_TAG_LENGTH]
    tags = [InputTag("mlflow.data.context", context)] if context else []
    client.log_inputs(run, [DatasetInput(dataset, tags)])


def _end_run(client: MlflowClient, run: str, event: Event) -> None:
    # The tags first: whoever sees an ended run may rely on them.
    client.log_batch(run, tags=run_tags(event))
    client.set_terminated(run, event["status"], end_time=event["milliseconds"])


APPLY: dict[str, Callable[[MlflowClient, str, dict[str, Any]], None]] = {
    "log_params": _log_params,
    "log_metrics": _log_metrics,
    "log_artifact": _log_artifact,
    "log_artifacts": _log_artifacts,
    "log_dataset": _log_dataset,
    "end_run": _end_run,
}
"""By kind; each is called with the client, the id of the MLflow run and the event."""
