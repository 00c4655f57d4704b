"""Past flow runs beyond the limits go, with what they left in Prefect; those of others stay."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Completed, Running

from components.artifacts.storage import write_atomically
from components.config import RetentionConfig
from components.tracking.owner import Owner
from pipelines.upkeep.flow_runs import prune_flow_runs
from pipelines.upkeep.killed_runs import FLOW, owner_tags
from pipelines.work_directory import CONFIG, WorkDirectory
from tests.pipelines.samples import RUN_ID, outcome

pytestmark = pytest.mark.usefixtures("prefect_server")

FEW = RetentionConfig(keep_runs=2, keep_days=0)


@flow(name=FLOW, persist_result=False)
def pipeline(work_dir: str = "") -> None:
    """Never called."""
    del work_dir


@flow(name="another", persist_result=False)
def another() -> None:
    """Never called."""


@pytest.fixture
def client() -> SyncPrefectClient:
    return get_client(sync_client=True)


@pytest.fixture
def work(tmp_path: Path) -> WorkDirectory:
    return WorkDirectory(tmp_path)


@pytest.fixture
def owner() -> Owner:
    return Owner(uuid4().hex, "host", "boot", "1:2")


@pytest.fixture
def name() -> str:
    return f"pruned-{uuid4().hex[:8]}"


def claimed(client: SyncPrefectClient, owner: Owner, name: str, night: int = 1) -> UUID:
    """A run that claimed the work directory and has just ended."""
    run = client.create_flow_run(pipeline, name=f"night {night}", tags=owner_tags(owner, name))
    client.set_flow_run_state(run.id, Completed(), force=True)
    return run.id


def _is_there(client: SyncPrefectClient, run: UUID) -> bool:
    try:
        client.read_flow_run(run)
    except ObjectNotFound:
        return False
    return True


def test_old_flow_runs_go_with_their_artifacts(
    client: SyncPrefectClient, work: WorkDirectory, owner: Owner, name: str
) -> None:
    with client:
        runs = [claimed(client, owner, name, night) for night in (1, 2, 3, 4)]
        for run in runs:
            client.create_artifact(ArtifactCreate(key="mlflow-run", flow_run_id=run))
        found: list[str] = []

        def note(what: str, _: int) -> None:
            found.append(what)

        prune_flow_runs(work, owner, name, FEW, (), note, dry_run=True)
        assert found == ["Prefect flow run night 2", "Prefect flow run night 1"]
        assert all(_is_there(client, run) for run in runs)
        prune_flow_runs(work, owner, name, FEW, ())
        assert [_is_there(client, run) for run in runs] == [False, False, True, True]
        left = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=runs))
        )
        assert {each.flow_run_id for each in left} == {runs[2], runs[3]}


def test_recent_ones_that_go_on_and_those_of_a_run_that_stays_are_kept(
    client: SyncPrefectClient, work: WorkDirectory, owner: Owner, name: str
) -> None:
    with client:
        runs = [claimed(client, owner, name) for _ in range(4)]
        running = client.create_flow_run(pipeline, tags=owner_tags(owner, name), state=Running())
        write_atomically(work.runs / RUN_ID / CONFIG, "name: x\n")
        work.save_outcome(outcome(flow_run_id=str(runs[0])))
        recent = RetentionConfig(keep_runs=1, keep_days=1)
        for limits in (recent, RetentionConfig(keep_runs=None, keep_days=0)):
            prune_flow_runs(work, owner, name, limits, ())
            assert all(_is_there(client, run) for run in runs)
        prune_flow_runs(work, owner, name, RetentionConfig(keep_runs=1, keep_days=0), [RUN_ID])
        assert [_is_there(client, run) for run in runs] == [True, False, False, True]
        assert _is_there(client, running.id)


def test_those_of_the_deployment_that_did_not_come_so_far_go_too(
    client: SyncPrefectClient, work: WorkDirectory, owner: Owner, name: str
) -> None:
    with client:
        deployment = client.create_deployment(
            client.create_flow(pipeline), name, parameters={"work_dir": str(work.root)}
        )
        runs = []
        for _ in range(3):
            run = client.create_flow_run_from_deployment(deployment)
            client.set_flow_run_state(run.id, Cancelled(), force=True)
            runs.append(run.id)
        elsewhere = WorkDirectory(work.root / "another")
        prune_flow_runs(elsewhere, owner, name, FEW, ())
        assert all(_is_there(client, run) for run in runs)
        prune_flow_runs(work, owner, name, FEW, ())
        assert [_is_there(client, run) for run in runs] == [False, True, True]


def test_flow_runs_of_others_stay(
    client: SyncPrefectClient,
    work: WorkDirectory,
    owner: Owner,
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pipelines.upkeep.flow_runs._PAGE", 2)
    with client:
        other_owner = Owner(uuid4().hex, "host", "boot", "1:2")
        others = [claimed(client, other_owner, name), claimed(client, owner, "another")]
        other_flow = client.create_flow_run(another, tags=owner_tags(owner, name)).id
        client.set_flow_run_state(other_flow, Completed(), force=True)
        own = [claimed(client, owner, name) for _ in range(5)]
        prune_flow_runs(work, owner, name, FEW, ())
        assert all(_is_there(client, run) for run in [*others, other_flow, *own[3:]])
        assert not any(_is_there(client, run) for run in own[:3])
