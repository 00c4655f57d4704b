"""Scheduled runs: served by ``rnnflow schedule``, or deployed to a work pool with prefect.yaml."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import UserError
from pipelines.cli.runs import schedule
from pipelines.commands.schedule import (
    OVERLAPS,
    Due,
    check_address,
    deployment_parameters,
    parse_schedule,
)
from pipelines.config import load_config
from pipelines.schedules.when import CONDITIONS
from pipelines.training import training_flow
from pipelines.work_directory import CONFIG
from tests.components.worker_commands import wait_for
from tests.pipelines.conftest import write_small_project
from tests.projects import ROOT, Project

pytest_plugins = ["tests.components.mlflow_fixtures"]

CRON = "0 3 1 1 *"
NAME = "scheduled"


@dataclass(frozen=True)
class Served:
    """What Prefect and the project hold after a deployment was served, run once and stopped."""

    project: Project
    deployment: DeploymentResponse
    run: FlowRun
    stopped: DeploymentResponse
    log: tuple[str, ...]
    """What Prefect has of the run."""
    exit_code: int
    output: str


def _wait(process: subprocess.Popen[str], found: Callable[[], Any]) -> Any:
    """What ``found`` gives as soon as it gives something; the process must live on."""
    while (value := found()) is None:
        assert process.poll() is None, "the process that serves ended"
        time.sleep(0.2)
    return value


def _deployment(client: SyncPrefectClient) -> DeploymentResponse | None:
    try:
        return client.read_deployment_by_name(f"rnnflow/{NAME}")
    except ObjectNotFound:
        return None


def _ended(client: SyncPrefectClient, run: FlowRun) -> FlowRun | None:
    found = client.read_flow_run(run.id)
    return found if found.state is not None and found.state.is_final() else None


def _log(client: SyncPrefectClient, run: FlowRun) -> tuple[str, ...]:
    mine = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[run.id]))
    return tuple(each.message for each in client.read_logs(mine))


@pytest.fixture(scope="module")
def served(
    tmp_path_factory: pytest.TempPathFactory, prefect_server: str, store: str
) -> Iterator[Served]:
    """A real ``rnnflow schedule``, asked for one run of the first stage, then stopped by Ctrl-C."""
    project = write_small_project(tmp_path_factory.mktemp("served"), prefect_server, NAME)
    command = ["schedule", "config.yaml", "--cron", CRON, "--timezone", "Europe/Berlin",
               "--set", "training.max_steps=7"]  # fmt: skip
    with (
        (project.root / "output").open("w+") as output,
        get_client(sync_client=True) as client,
        subprocess.Popen(
            project.command(*command),
            cwd=project.root, env={**project.environment, "MLFLOW_TRACKING_URI": store},
            stdout=output, stderr=subprocess.STDOUT, text=True,
            # A test run in the background ignores Ctrl-C, and its children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        ) as process,
    ):  # fmt: skip
        try:
            deployment = _wait(process, lambda: _deployment(client))
            asked = client.create_flow_run_from_deployment(
                deployment.id, parameters={"until": "rows"}
            )
            run = _wait(process, lambda: _ended(client, asked))
            # Prefect sends its log from a thread, every few seconds.
            wait_for(lambda: any(line.startswith("rows: ") for line in _log(client, run)))
            process.send_signal(signal.SIGINT)
            exit_code = process.wait(timeout=300)
        finally:
            process.kill()
        output.seek(0)
        stopped = client.read_deployment(deployment.id)
        log = _log(client, run)
        yield Served(project, deployment, run, stopped, log, exit_code, output.read())


def test_the_deployment_is_named_after_the_config_and_has_the_schedule(served: Served) -> None:
    (schedule,) = served.deployment.schedules
    assert schedule.active
    assert schedule.schedule.model_dump() == {
        "cron": CRON,
        "timezone": "Europe/Berlin",
        "day_or": True,
    }
    assert served.deployment.tags == ["rnnflow"]
    assert not served.deployment.paused


def test_one_run_at_a_time_and_a_second_one_is_cancelled(served: Served) -> None:
    limit, options = (
        served.deployment.global_concurrency_limit,
        served.deployment.concurrency_options,
    )
    assert limit is not None
    assert limit.limit == 1
    assert options is not None
    assert options.collision_strategy.value == "CANCEL_NEW"


def test_a_served_run_finds_config_and_work_directory_wherever_it_starts(served: Served) -> None:
    assert served.deployment.parameters == {
        "config_path": str(served.project.config),
        "work_dir": str(served.project.work.root),
        "settings": ["training.max_steps=7"],
    }


def test_a_run_of_the_deployment_really_runs(served: Served) -> None:
    assert served.run.state is not None
    assert served.run.state.is_completed(), served.output
    (run_id,) = served.project.work.run_ids()
    outcome = served.project.work.find_outcome(run_id)
    assert outcome is not None
    assert outcome.status == "done"


def test_a_run_of_the_deployment_uses_the_settings_of_the_schedule(served: Served) -> None:
    (run_id,) = served.project.work.run_ids()
    assert load_config(served.project.work.run(run_id) / CONFIG).training.max_steps == 7
    assert "but for `training.max_steps=7`" in str(served.deployment.description)


def test_a_scheduled_run_is_named_after_the_model_and_the_run(served: Served) -> None:
    (run_id,) = served.project.work.run_ids()
    assert served.run.name == f"{NAME} {run_id}"


def test_prefects_log_of_a_run_has_a_line_a_stage(served: Served) -> None:
    assert any(line.startswith("rows: 1 file, 0.0 MB, digest ") for line in served.log), served.log


def test_the_deployment_is_described_for_people(served: Served) -> None:
    text = str(served.deployment.description)
    assert f"Trains `{NAME}` on `{served.project.root / 'rows.jsonl'}`" in text
    assert f"`{CRON}` (Europe/Berlin)" in text
    assert "Args:" not in text
    assert "Args:" not in str(training_flow.description)


def test_ctrl_c_ends_it_and_pauses_the_schedule(served: Served) -> None:
    assert served.exit_code == 0
    assert "Traceback" not in served.output
    assert served.stopped.paused


@pytest.fixture(scope="module")
def terminated(served: Served, prefect_server: str, store: str) -> Iterator[Served]:
    """The schedule, started again, and told to end by SIGTERM while a run is going on.

    ``run`` is one that was due meanwhile.
    """
    project = served.project
    # A file of zeros that takes no place, and hours to read: its run is going on.
    os.truncate(project.root / "rows.jsonl", 4 << 40)
    environment = {
        **project.environment,
        "MLFLOW_TRACKING_URI": store,
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    with (
        (project.root / "terminated").open("w+") as output,
        get_client(sync_client=True) as client,
        subprocess.Popen(
            project.command("schedule", "config.yaml", "--cron", CRON),
            cwd=project.root, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True,
        ) as process,
    ):  # fmt: skip
        try:
            active = _wait(process, lambda: _active(client))
            asked = [
                client.create_flow_run_from_deployment(active.id, parameters={"until": "rows"})
                for _ in range(2)
            ]
            run = _wait(process, lambda: next(filter(None, map(_ended_by(client), asked)), None))
            process.terminate()
            exit_code = process.wait(timeout=300)
        finally:
            process.kill()
        output.seek(0)
        stopped = client.read_deployment(active.id)
        log = _log(client, run)
        yield Served(project, active, run, stopped, log, exit_code, output.read())


def _active(client: SyncPrefectClient) -> DeploymentResponse | None:
    found = _deployment(client)
    return None if found is None or found.paused else found


def _ended_by(client: SyncPrefectClient) -> Callable[[FlowRun], FlowRun | None]:
    return lambda run: _ended(client, run)


def test_a_schedule_that_was_stopped_is_active_again_at_the_next_start(terminated: Served) -> None:
    assert not terminated.deployment.paused


def test_a_run_that_is_due_during_another_is_refused_and_the_schedule_says_so(
    terminated: Served,
) -> None:
    assert terminated.run.state is not None
    assert terminated.run.state.is_cancelled(), terminated.output
    assert "a run that was due is refused" in terminated.output
    assert str(terminated.run.id) in terminated.output


def test_sigterm_ends_it_with_its_run_and_pauses_the_schedule(terminated: Served) -> None:
    assert terminated.exit_code == 0, terminated.output
    assert terminated.stopped.paused
    for noise in ("Traceback", "never awaited", "Warning"):
        assert noise not in terminated.output
    with get_client(sync_client=True) as client:
        assert not client.read_flow_runs(flow_run_filter=_going_on(terminated.deployment))


def _going_on(deployment: DeploymentResponse) -> FlowRunFilter:
    types = FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING])
    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=types),
    )


def test_parameters_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert deployment_parameters(Path("configs/demo.yaml"), Path(".rnnflow")) == {
        "config_path": str(tmp_path / "configs" / "demo.yaml"),
        "work_dir": str(tmp_path / ".rnnflow"),
    }


@pytest.mark.parametrize("cron", ["0 3 * * *", "*/15 8-17 * * mon-fri", "@daily"])
def test_a_schedule_is_a_cron_expression_in_a_time_zone(cron: str) -> None:
    found = parse_schedule(Due(cron, "Europe/Berlin"))
    expected = Cron(cron, timezone="Europe/Berlin")
    assert (found.cron, found.timezone) == (expected.cron, expected.timezone)


@pytest.mark.parametrize(
    ("cron", "timezone"),
    [
        ("99 3 * * *", "UTC"), ("every night", "UTC"), ("", "UTC"), ("0 3 * *", "UTC"),
        ("0 3 * * *", "Nowhere/Land"), ("0 3 * * *", ""), ("0 3 * * *", "../../etc/passwd"),
        ("0 3 * * *", "Europe"), ("0 3 * * *", "Europe/Berlin\0"),
    ],
)  # fmt: skip
def test_a_schedule_that_cannot_be_is_told_with_what_was_given(cron: str, timezone: str) -> None:
    with pytest.raises(UserError, match=r"expected a cron expression .* and a time zone") as caught:
        parse_schedule(Due(cron, timezone))
    assert repr(cron) in str(caught.value)
    assert repr(timezone) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("every", "seconds"), [("60s", 60), ("30m", 1_800), ("6h", 21_600), (" 1 d", 86_400)]
)
def test_a_schedule_may_be_an_interval(every: str, seconds: int) -> None:
    assert parse_schedule(Due(every=every)).interval == timedelta(seconds=seconds)


@pytest.mark.parametrize("every", ["30s", "0h", "6 hours", "-1h", "1.5h", "h", ""])
def test_an_interval_that_cannot_be_is_told_with_what_was_given(every: str) -> None:
    with pytest.raises(UserError, match="--every: expected a number and a unit") as caught:
        parse_schedule(Due(every=every))
    assert repr(every) in str(caught.value)


@pytest.mark.parametrize("due", [Due(), Due("0 3 * * *", every="6h")])
def test_there_is_a_cron_expression_or_an_interval_and_not_both(due: Due) -> None:
    with pytest.raises(UserError, match="expected --cron or --every, one of the two"):
        parse_schedule(due)


def test_what_a_run_depends_on_is_a_parameter_of_the_deployment(tmp_path: Path) -> None:
    found = deployment_parameters(tmp_path / "c.yaml", tmp_path, when="new-data")
    assert found["when"] == "new-data"
    assert "when" not in deployment_parameters(tmp_path / "c.yaml", tmp_path)


def test_the_choices_of_the_command_are_those_of_the_tables() -> None:
    options = {each.name: each for each in schedule.params}
    for name, table in (("when", CONDITIONS), ("overlap", OVERLAPS)):
        choice = options[name].type
        assert isinstance(choice, click.Choice)
        assert list(choice.choices) == list(table)


@pytest.fixture(scope="module")
def declared() -> dict[str, Any]:
    """The one deployment of prefect.yaml."""
    (deployment,) = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    assert isinstance(deployment, dict)
    return deployment


def test_prefect_yaml_names_the_flow(declared: dict[str, Any]) -> None:
    path, _, name = declared["entrypoint"].partition(":")
    assert (ROOT / path).is_file()
    module = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    flow = getattr(module, name)
    assert isinstance(flow, Flow)
    assert flow is training_flow
    assert set(declared["parameters"]) <= set(flow.parameters.properties)
    assert (ROOT / declared["parameters"]["config_path"]).is_file()


def test_prefect_yaml_has_the_same_limit_as_a_served_deployment(declared: dict[str, Any]) -> None:
    served = OVERLAPS["refuse"].model_dump(mode="json")
    assert declared["concurrency_limit"] == served
    assert served["limit"] == 1
    assert served["collision_strategy"] == "CANCEL_NEW"


def test_prefect_yaml_has_a_schedule_that_can_be(declared: dict[str, Any]) -> None:
    (schedule,) = declared["schedules"]
    assert parse_schedule(Due(schedule["cron"], schedule["timezone"])).cron == schedule["cron"]


def test_a_schedule_without_a_server_is_refused_because_nothing_would_ever_run() -> None:
    with (
        temporary_settings(restore_defaults={PREFECT_API_URL}),
        pytest.raises(UserError, match="prefect server start"),
    ):
        check_address()
