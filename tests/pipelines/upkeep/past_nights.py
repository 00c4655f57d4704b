"""Nights as a run leaves them, in the work directory and in MLflow, without any training."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import yaml

from components.artifacts.storage import building, write_atomically
from components.artifacts.values import Version
from components.config import RetentionConfig
from components.registry.aliases import promote
from components.registry.versions import DIGEST_TAG, ensure_registered
from components.tracking.client import MlflowClient, connect
from components.tracking.tracker import RUN_ID_TAG, Tracker
from pipelines.upkeep.retention import apply_retention
from pipelines.work_directory import ARTIFACTS, CONFIG, JOURNAL, StageOutcome, WorkDirectory
from tests.pipelines.samples import PROMOTED, REFUSED, outcome

STAGES = ("examples", "model", "export")
ARTIFACT_BYTES = 10_000


def run_id_of(night: int) -> str:
    return f"202601{night:02}-030000-aaaa"


def leave_files(work: WorkDirectory, name: str, night: int, champion: int | None = None) -> None:
    """The directory of a run that ended, its artifacts, and the champion that it compared with."""
    run_id = run_id_of(night)
    artifacts = [work.artifacts / stage / f"{name}{night:04}" for stage in STAGES]
    for artifact in artifacts:
        with building(artifact) as partial:
            (partial / "data").write_bytes(b"x" * ARTIFACT_BYTES)
    directory = work.runs / run_id
    write_atomically(directory / CONFIG, yaml.safe_dump({"name": name}))
    lines = [f"{artifact.parent.name}/{artifact.name}\n" for artifact in artifacts]
    write_atomically(directory / ARTIFACTS, "".join(lines))
    if champion is not None:
        with building(work.champions / f"{name}-{champion}-0123456789ab"):
            pass
    decision = dataclasses.replace(PROMOTED, champion_version=champion)
    stages = tuple(StageOutcome(each.parent.name, "", 1.0, False, str(each)) for each in artifacts)
    work.save_outcome(
        outcome(run_id=run_id, name=name, decision=decision, stages=stages, version=None)
    )


def night(
    work: WorkDirectory, name: str, number: int, promoted: bool, retention: RetentionConfig
) -> None:
    """A whole night, at whose end the limits are applied as a run does."""
    run_id = run_id_of(number)
    with work.lock(run_id) as owner:
        leave_files(work, name, number)
        tracker = Tracker(work.runs / run_id / JOURNAL, work.tracking_uri, name)
        tracker.start_run("pipeline", run_id, None, owner.tags() | {RUN_ID_TAG: run_id})
        tracker.log_artifact("pipeline", work.runs / run_id / CONFIG)
        for stage in STAGES:
            tracker.start_run(stage, stage, "pipeline", {})
            tracker.log_artifact(stage, work.artifacts / stage / f"{name}{number:04}" / "data")
            tracker.end_run(stage, "FINISHED")
        tracker.end_run("pipeline", "FINISHED", {})
        assert tracker.flush() == 0
        client = connect(work.tracking_uri)
        version = _register(client, name, str(tracker.run_id("pipeline")), f"{number:064}", work)
        if promoted:
            promote(name, version, tracking_uri=work.tracking_uri, reason="test")
        found = work.find_outcome(run_id)
        assert found is not None
        decision = PROMOTED if promoted else REFUSED
        decision = dataclasses.replace(decision, champion_version=None)
        registered = Version(name, version, (), False)
        work.save_outcome(dataclasses.replace(found, version=registered, decision=decision))
        apply_retention(work, owner, {name: retention})


def _register(
    client: MlflowClient, name: str, run_id: str, digest: str, work: WorkDirectory
) -> int:
    """A version as ``components.registry.packaging`` makes one, of files that are no model."""
    ensure_registered(client, name, "Past nights.")
    experiment = client.get_run(run_id).info.experiment_id
    logged = client.create_logged_model(experiment, name, source_run_id=run_id)
    client.log_model_artifacts(logged.model_id, str(_package(work)))
    client.finalize_logged_model(logged.model_id, "READY")
    version = client.create_model_version(
        name, logged.artifact_location, run_id, tags={DIGEST_TAG: digest}, model_id=logged.model_id
    )
    return int(version.version)


def _package(work: WorkDirectory) -> Path:
    package = work.root.parent / "package"
    write_atomically(package / "MLmodel", "x" * ARTIFACT_BYTES)
    return package
