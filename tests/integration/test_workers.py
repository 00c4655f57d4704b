"""Trainings by two workers, from the command line: whatever is killed, the model is the same."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from mlflow import MlflowClient

from components.artifacts.history import read_history
from components.artifacts.values import Examples
from components.training.train import train_model
from components.workers.cluster import WorkerCluster
from components.workers.local_cluster import free_ports
from pipelines.config import load_config
from pipelines.work_directory import WorkDirectory
from tests.integration.conftest import Project, make_project
from tests.listening import beyond_loopback, listening_at

MAX_STEPS = 60
SAVED = 20
"""Steps between checkpoints."""
TRAINING = {
    "max_steps": MAX_STEPS, "evaluate_every_steps": SAVED, "log_every_steps": 5,
    "early_stopping_patience_steps": None,
}  # fmt: skip
LIMIT_SECONDS = 240.0


@dataclass(frozen=True)
class Place:
    """A work directory of the project, with its examples in it."""

    project: Project
    work: WorkDirectory

    @contextmanager
    def started(self, tf_config: str | None = None) -> Iterator[subprocess.Popen[str]]:
        """``rnnflow train``; on a cluster, or with two workers here."""
        arguments = ["train", str(self.project.config), "--work-dir", str(self.work.root)]
        environment = self.project.environment
        if tf_config is None:
            arguments += ["--workers", "2"]
        else:
            environment = {**environment, "TF_CONFIG": tf_config}
        with subprocess.Popen(
            self.project.command(*arguments),
            cwd=self.project.root, env=environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        ) as process:  # fmt: skip
            try:
                yield process
            finally:
                process.kill()

    @property
    def building(self) -> Path | None:
        return next(self.work.artifacts.glob("model/*.partial"), None)

    @property
    def model(self) -> Path:
        (path,) = (path.parent for path in self.work.artifacts.glob("model/*/_SUCCESS"))
        return path

    @property
    def step(self) -> int:
        points = read_history(self.building / "history.jsonl") if self.building else ()
        return points[-1].step if points else 0

    def workers(self) -> dict[int, int]:
        """The processes that train, by the index of the worker."""
        found = {}
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                command = path.read_text().split("\0")
                environment = path.with_name("environ").read_text()
            except OSError:
                continue
            if "components.training.worker" in command and str(self.work.root) in command[-2]:
                index = environment.split('"task": {"type": "worker", "index": ')[1][0]
                found[int(index)] = int(path.parent.name)
        return found


def _wait_for(condition: Callable[[], bool], *processes: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not condition():
        assert all(process.poll() is None for process in processes), "it ended too early"
        assert time.monotonic() < deadline, "what was waited for did not come"
        time.sleep(0.02)


def _ended_well(process: subprocess.Popen[str]) -> str:
    output, _ = process.communicate(timeout=LIMIT_SECONDS)
    assert process.returncode == 0, output
    return output


def _assert_same_weights(one: Path, other: Path, tolerance: float = 0.0) -> None:
    files = [str(path / "checkpoints" / f"model.ckpt-{MAX_STEPS}") for path in (one, other)]
    names = [name for name, _ in tf.train.list_variables(files[0])]
    assert len(names) > 5
    for name in names:
        values = [tf.train.load_variable(file, name) for file in files]
        np.testing.assert_allclose(values[0], values[1], rtol=0.0, atol=tolerance)


@dataclass(frozen=True)
class Trained:
    place: Place
    output: str
    examples: Path


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory, prefect_server: str) -> Trained:
    """A training by two workers that nothing disturbs."""
    project = make_project(tmp_path_factory.mktemp("workers"), prefect_server)
    project.edit(training=TRAINING)
    place = Place(project, project.work)
    with place.started() as process:
        output = _ended_well(process)
    (examples,) = (path.parent for path in project.work.artifacts.glob("examples/*/_SUCCESS"))
    return Trained(place, output, examples)


@pytest.fixture
def place(by_two: Trained, tmp_path: Path) -> Place:
    """The same project in another work directory, which has its examples."""
    work = WorkDirectory(tmp_path / "work")
    shutil.copytree(by_two.place.work.artifacts / "examples", work.artifacts / "examples")
    return Place(by_two.place.project, work)


def test_the_output_of_each_worker_is_shown_and_kept(by_two: Trained) -> None:
    for index in range(2):
        last = f"step {MAX_STEPS}: loss "
        assert f"worker {index} | {last}" in by_two.output
        log = (by_two.place.model / "logs" / f"worker-{index}.log").read_text()
        assert last in log
        assert f"worker {index} |" not in log


def test_only_the_chief_writes_the_history(by_two: Trained) -> None:
    points = read_history(by_two.place.model / "history.jsonl")
    steps = [point.step for point in points if "train/loss" in point.metrics]
    assert steps == list(range(5, MAX_STEPS + 1, 5))


def test_mlflow_has_the_curve_and_a_log_of_each_worker(by_two: Trained) -> None:
    client = MlflowClient(by_two.place.work.tracking_uri)
    experiment = client.get_experiment_by_name("japanese-vowels")
    assert experiment is not None
    (model,) = client.search_runs([experiment.experiment_id], "tags.`rnnflow.stage` = 'model'")
    losses = client.get_metric_history(model.info.run_id, "train/loss")
    assert len(losses) == MAX_STEPS // 5
    assert model.data.params["training.workers"] == "2"
    files = {item.path for item in client.list_artifacts(model.info.run_id)}
    assert {"worker-0.log", "worker-1.log"} <= files


def test_two_workers_train_what_one_does(by_two: Trained, tmp_path: Path) -> None:
    config = load_config(by_two.place.project.config)
    alone = train_model(
        Examples(str(by_two.examples), "d"), config.model, replace(config.training, workers=1),
        config.seed, directory=tmp_path / "alone",
    )  # fmt: skip
    _assert_same_weights(by_two.place.model, Path(alone.path), tolerance=1e-5)


def test_a_run_that_is_ended_and_one_of_whose_workers_is_killed_ends_with_the_same_weights(
    by_two: Trained, place: Place
) -> None:
    with place.started() as process:
        _wait_for(lambda: place.step > SAVED, process)
        assert all(listening_at(worker) for worker in place.workers().values())
        assert beyond_loopback(process.pid) == set()
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LIMIT_SECONDS)
        assert process.returncode != 0, output
    _wait_for(lambda: not place.workers())
    assert SAVED < place.step < MAX_STEPS
    assert place.building is not None
    for index in range(2):
        log = (place.building / "logs" / f"worker-{index}.log").read_text()
        assert "Interrupted at step" in log
    with place.started() as process:
        _wait_for(lambda: len(place.workers()) == 2 and place.step > 2 * SAVED, process)
        os.kill(place.workers()[1], signal.SIGKILL)
        output = _ended_well(process)
    assert "worker 1 was killed by SIGKILL. All workers start again" in output
    _assert_same_weights(place.model, by_two.place.model)


def test_a_cluster_of_two_commands_ends_with_the_same_weights(
    by_two: Trained, place: Place
) -> None:
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(2))
    configs = [WorkerCluster(addresses, index).tf_config for index in range(2)]
    with place.started(configs[0]) as chief, place.started(configs[1]) as follower:
        _wait_for(lambda: len(place.workers()) == 2 and place.step > SAVED, chief, follower)
        assert beyond_loopback(chief.pid) | beyond_loopback(follower.pid) == set()
        os.kill(place.workers()[1], signal.SIGKILL)
        told = [_ended_well(process) for process in (chief, follower)]
    assert "worker 0 |" in told[0]
    assert "worker 1 |" not in told[0]
    assert "worker 1 was killed by SIGKILL" in told[1]
    assert (place.model / "logs" / "worker-1.log").is_file()
    _assert_same_weights(place.model, by_two.place.model)
