"""``rnnflow sweep`` as a person calls it: interrupted, continued, and its best settings run."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pipelines.config import load_config
from tests.components.worker_commands import runs, wait_for
from tests.projects import Project, make_project

pytest_plugins = ["tests.components.mlflow_fixtures"]
pytestmark = pytest.mark.slow

ARGUMENTS = ("--param", "model.units=[4],[8],[12]", "--trials")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Project:
    made = make_project(tmp_path_factory.mktemp("swept"), prefect_server)
    made.edit(
        name="swept-vowels",
        training={"max_steps": 60, "evaluate_every_steps": 20},
        gate={"bounds": {}},
    )
    return made


@pytest.fixture(scope="module")
def stopped(project: Project) -> str:
    """What a sweep says that got Ctrl-C while its second trial trained."""
    with subprocess.Popen(
        project.command("sweep", str(project.config), *ARGUMENTS, "2"),
        cwd=project.root, env=project.environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        second = "sweeps/*/0002/model.partial"
        wait_for(lambda: process.poll() is not None or any(project.work.root.glob(second)))
        trials = _trials(project)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate()
    assert process.returncode == 130, output
    assert trials
    assert not any(map(runs, trials))
    return output


@pytest.fixture(scope="module")
def finished(project: Project, stopped: str) -> str:
    """What the same command says then, with one more trial."""
    ended = project.call("sweep", str(project.config), *ARGUMENTS, "3")
    # That of the run of the best settings, which the gate refuses after so few steps.
    assert ended.returncode == 3, ended.stdout + ended.stderr
    return ended.stdout


def _trials(project: Project) -> list[int]:
    """The processes that train a trial."""
    folder = str(project.work.root / "sweeps")
    return [
        int(path.parent.name)
        for path in Path("/proc").glob("[0-9]*/cmdline")
        if _says(path, folder)
    ]


def _says(path: Path, text: str) -> bool:
    try:
        return text.encode() in path.read_bytes()
    except OSError:  # it has ended since
        return False


def test_one_that_is_stopped_says_what_is_kept(stopped: str) -> None:
    assert "stopped by SIGINT. 1 trials are kept; the same command goes on from here." in stopped
    assert "Traceback" not in stopped


def test_one_that_is_stopped_is_so_in_mlflow_and_in_the_status(
    project: Project, stopped: str
) -> None:
    shown = project.call("status").stdout
    assert re.search(r"swept-vowels-\w+ │ swept-vowels │ interrupted", shown), shown + stopped


def test_it_goes_on_where_it_was_stopped(project: Project, finished: str) -> None:
    assert "3 trials, 1 of them are there" in finished
    shown = re.findall(r"trial \d+ +[\d.]+ +model.units=(\S+)", finished)
    assert len(shown) == 2
    (directory,) = project.work.root.glob("sweeps/swept-vowels-*")
    assert sorted(path.name for path in directory.glob("0*")) == ["0001", "0002", "0003"]


def test_the_best_settings_are_run_and_registered(project: Project, finished: str) -> None:
    (directory,) = project.work.root.glob("sweeps/swept-vowels-*")
    best = load_config(directory / "best.yaml")
    assert f"--set model.units={list(best.model.units)}" in finished
    run = load_config(project.work.run() / "config.yaml")
    assert run.model == best.model
    assert run.tags["sweep"] == directory.name
    assert "swept-vowels version 1" in finished
    # The test split was looked at once: by the run of the best settings.
    outcomes = [project.work.find_outcome(each) for each in project.work.run_ids()]
    assert sum(each is not None and each.metrics is not None for each in outcomes) == 1


def test_the_page_shows_every_trial(project: Project, finished: str) -> None:
    (page,) = project.work.root.glob("sweeps/swept-vowels-*/sweep.html")
    text = page.read_text()
    for units in ("[4]", "[8]", "[12]"):
        assert f"<code>{units}</code>" in text
    assert str(page) in finished
    assert project.work.run().name in text


def test_mlflow_has_the_sweep_with_its_page_and_a_run_for_each_trial(
    project: Project, finished: str
) -> None:
    client = MlflowClient(project.work.tracking_uri)
    experiment = client.get_experiment_by_name("swept-vowels")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.`rnnflow.sweep` LIKE '%'")
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["rnnflow.status"] == "finished"
    # None of those that were stopped stays as it was.
    assert {run.info.status for run in found} == {"FINISHED"}
    assert parent.data.tags["rnnflow.best_run"] == project.work.run().name
    assert {file.path for file in client.list_artifacts(parent.info.run_id)} == {
        "best.yaml",
        "sweep.html",
    }
    nested = [run for run in found if run.info.run_id != parent.info.run_id]
    complete = [run for run in nested if run.data.tags.get("rnnflow.trial") == "complete"]
    assert {run.data.params["model.units"] for run in complete} == {"[4]", "[8]", "[12]"}
    shown = project.call("compare", "swept-vowels")
    assert "sweep" not in shown.stdout.replace("swept", ""), "a sweep is no run of the pipeline"
