"""Hosts that see their work directories under one path, and a copy: only a killed run is marked."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

from components.tracking.owner import WORK_DIR_ID_TAG
from components.tracking.tracker import RUN_ID_TAG, WORK_DIR_TAG
from pipelines.commands.status import show_status
from pipelines.work_directory import Outcome
from tests.components.mlflow_server import MlflowServer
from tests.pipelines.conftest import write_small_project
from tests.projects import ROOT, Project

pytestmark = pytest.mark.integration
pytest_plugins = ["tests.components.mlflow_fixtures"]

NAME = "hosts"
# A run of the first stage that then waits, as one does that trains.
PROGRAM = """
import sys, tempfile
from pathlib import Path
from prefect import flow
from pipelines import tasks
from pipelines.config import load_config
from pipelines.pipeline_run import PipelineRun
from pipelines.work_directory import WorkDirectory

@flow(name="rnnflow", flow_run_name="{run_id}", persist_result=False)
def training_flow(run_id):
    config = load_config(Path("config.yaml"))
    with PipelineRun(config, WorkDirectory(Path(".rnnflow").resolve()), run_id) as run:
        run.stage(tasks.find_rows, config.data)
        assert run.mlflow_run_id
        tempfile.mkstemp()
        Path(".rnnflow/artifacts/examples/0123.partial").mkdir(parents=True)
        print("running", flush=True)
        sys.stdin.readline()
    return run.final_state()

training_flow(sys.argv[1])
"""


def _same_path(folder: Path, shared: Path) -> list[str]:
    """Starts a command that sees ``folder`` at the path ``shared``, where the system allows it."""
    mounting = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    allowed = subprocess.run([*mounting, "true"], capture_output=True, check=False).returncode == 0
    if not allowed:  # the rest holds without it too
        return ["sh", "-c", f'cd {folder} && exec "$@"', "sh"]
    return [*mounting, f'mount --bind {folder} {shared} && cd {shared} && exec "$@"', "sh"]


@contextmanager
def _host(folder: Path, shared: Path, run_id: str, environment: dict[str, str]) -> Iterator[_Host]:
    command = [*_same_path(folder, shared), sys.executable, "-c", PROGRAM, run_id]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment, text=True,
    ) as process:  # fmt: skip
        try:
            assert process.stdout is not None
            # The console's lines come before it.
            assert "running\n" in iter(process.stdout.readline, ""), process.communicate()
            yield _Host(run_id, process)
        finally:
            process.kill()


@dataclass(frozen=True)
class _Host:
    """One that runs ``PROGRAM``."""

    run_id: str
    process: subprocess.Popen[str]


@dataclass(frozen=True)
class Night:
    """One host was killed and started again, another was alive all the time, a third had a copy."""

    client: MlflowClient
    killed: Project
    killed_run_id: str
    live_run_id: str
    while_live: dict[str, str]
    flow_while_live: str
    left: tuple[Path, ...]
    """Files that the killed run did not remove."""
    next_run: Outcome
    copied_run: Outcome


def _runs(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{RUN_ID_TAG}` IS NOT NULL")
    return {run.data.tags[RUN_ID_TAG]: run for run in runs}


def _flow_state(run_id: str) -> str:
    named = FlowRunFilter(name=FlowRunFilterName(any_=[f"{NAME} {run_id}"]))
    with get_client(sync_client=True) as client:
        (run,) = client.read_flow_runs(flow_run_filter=named)
    assert run.state is not None
    return run.state.type.value


@pytest.fixture(scope="module")
def night(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, _running_server: MlflowServer
) -> Iterator[Night]:
    folder = tmp_path_factory.mktemp("hosts")
    for name in ("killed", "live", "shared"):
        (folder / name).mkdir()
    killed, live = (
        write_small_project(folder / name, prefect_server, NAME) for name in ("killed", "live")
    )
    uri = _running_server.uri
    environment = killed.environment | {"MLFLOW_TRACKING_URI": uri, "PYTHONPATH": str(ROOT)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")
        with (
            _host(killed.root, folder / "shared", "20260101-000000-aaaa", environment) as first,
            _host(live.root, folder / "shared", "20260101-000001-bbbb", environment) as second,
        ):
            os.kill(first.process.pid, signal.SIGKILL)
            first.process.wait()
            left = (*killed.work.temporary.glob("*/*"), *killed.work.artifacts.glob("*/*.partial"))
            shutil.copytree(live.root, folder / "copy")
            copy = Project(folder / "copy", prefect_server)
            next_run, copied_run = killed.run(until="rows"), copy.run(until="rows")
            client = MlflowClient(uri)
            while_live = {key: run.info.status for key, run in _runs(client).items()}
            flow_while_live = _flow_state(second.run_id)
            second.process.communicate("\n")
            assert second.process.returncode == 0
        yield Night(
            client, killed, first.run_id, second.run_id, while_live, flow_while_live,
            left, next_run, copied_run,
        )  # fmt: skip


def test_the_work_directories_have_one_path_and_ids_of_their_own(night: Night) -> None:
    runs = _runs(night.client)
    killed, live = (runs[each].data.tags for each in (night.killed_run_id, night.live_run_id))
    if Path(killed[WORK_DIR_TAG]).parent.name == "shared":  # where the system allows a mount
        assert killed[WORK_DIR_TAG] == live[WORK_DIR_TAG]
    assert killed[WORK_DIR_ID_TAG] != live[WORK_DIR_ID_TAG]
    following = runs[night.next_run.run_id].data.tags
    assert following[WORK_DIR_ID_TAG] == killed[WORK_DIR_ID_TAG]


def test_the_killed_run_is_killed_in_mlflow_in_prefect_and_in_the_status(
    night: Night, capsys: pytest.CaptureFixture[str]
) -> None:
    killed = _runs(night.client)[night.killed_run_id]
    assert killed.info.status == "KILLED"
    assert killed.data.tags["rnnflow.status"] == "killed"
    assert _flow_state(night.killed_run_id) == "CRASHED"
    outcome = night.killed.work.find_outcome(night.killed_run_id)
    assert outcome is not None
    assert outcome.status == "killed"
    assert night.next_run.run_id in outcome.reason
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", night.client.tracking_uri)
        patch.setenv("COLUMNS", "160")
        show_status(None, night.killed.work.root)
    (row,) = (line for line in capsys.readouterr().out.splitlines() if night.killed_run_id in line)
    assert " killed " in row


def test_what_the_killed_run_left_is_removed_by_the_next_start(night: Night) -> None:
    assert len(night.left) >= 2
    assert not any(path.exists() for path in night.left)
    assert not list(night.killed.work.temporary.iterdir())


def test_the_live_run_of_another_host_is_left_alone_and_ends_as_it_should(night: Night) -> None:
    assert night.while_live[night.live_run_id] == "RUNNING"
    assert night.flow_while_live == "RUNNING"
    assert _runs(night.client)[night.live_run_id].info.status == "FINISHED"
    assert _flow_state(night.live_run_id) == "COMPLETED"


def test_a_copy_of_a_live_work_directory_ends_no_run_of_the_original(night: Night) -> None:
    runs = _runs(night.client)
    copied, live = (runs[each].data.tags for each in (night.copied_run.run_id, night.live_run_id))
    assert copied[WORK_DIR_ID_TAG] == live[WORK_DIR_ID_TAG]
    assert night.copied_run.status == "done"
