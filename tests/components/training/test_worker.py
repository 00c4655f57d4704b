"""One training worker as a process: what it writes, what it says, and its exit status.

Several of them together are in ``tests/integration``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts.history import HISTORY, read_history
from components.artifacts.values import Examples
from components.config import LaunchConfig, ModelConfig, OptimizerConfig, TrainingConfig
from components.runtime.subprocesses import child_environment
from components.training.estimator import CHECKPOINTS
from components.training.fits import first_job
from components.training.job import TrainingJob, save_job, training_command
from components.workers.cluster import TF_CONFIG, WorkerCluster
from components.workers.local_cluster import free_ports
from components.workers.worker_process import ERROR, FINISHED, LOST_PEER
from tests.components.conftest import Prepared

pytestmark = pytest.mark.slow

TRAINING = TrainingConfig(batch_size=16, max_steps=4, evaluate_every_steps=2, log_every_steps=2)
IMPATIENT = LaunchConfig(worker_wait_seconds=1.0)


def _job(examples: Examples) -> TrainingJob:
    return first_job(examples, ModelConfig(units=(4,)), TRAINING, 7, IMPATIENT)


def _run(
    job: TrainingJob, directory: Path, environment: Mapping[str, str] = {}
) -> subprocess.CompletedProcess[str]:
    directory.mkdir(exist_ok=True)
    return subprocess.run(
        training_command(save_job(job, directory)),
        env={**child_environment(), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _two(port: int) -> dict[str, str]:
    """The place of the first of two workers, of which the other never comes."""
    (absent,) = free_ports(1)
    return {TF_CONFIG: WorkerCluster((f"127.0.0.1:{port}", f"127.0.0.1:{absent}"), 0).tf_config}


def test_a_worker_trains_where_its_job_is_and_says_that_it_has_finished(
    mixed: Prepared, tmp_path: Path
) -> None:
    done = _run(_job(mixed.examples), tmp_path / "model")
    lines = done.stdout.splitlines()
    assert (done.returncode, lines[-1], done.stderr) == (0, FINISHED, "")
    assert any(line.startswith("step 4: loss") for line in lines)
    assert (tmp_path / "model" / CHECKPOINTS / "model.ckpt-4.index").is_file()
    assert {point.step for point in read_history(tmp_path / "model" / HISTORY)} == {2, 4}


def test_a_worker_that_reads_from_disk_and_is_killed_ends_with_the_weights_of_one_in_memory(
    mixed: Prepared, tmp_path: Path
) -> None:
    training = dataclasses.replace(TRAINING, max_steps=300, early_stopping_patience_steps=None)
    model = ModelConfig(units=(4,))
    in_memory = first_job(mixed.examples, model, training, 7, IMPATIENT)
    on_disk = first_job(
        mixed.examples, model, training, 7, dataclasses.replace(IMPATIENT, memory_fraction=0.0)
    )
    assert (in_memory.on_disk, on_disk.on_disk) == (False, True)
    (tmp_path / "disk").mkdir()
    with subprocess.Popen(
        training_command(save_job(on_disk, tmp_path / "disk")),
        env=child_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        while not list((tmp_path / "disk" / CHECKPOINTS).glob("model.ckpt-*.input.json")):
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        process.kill()
    killed_at = tf.train.latest_checkpoint(str(tmp_path / "disk" / CHECKPOINTS))
    assert killed_at is None or not killed_at.endswith("-300")
    for name, job in (("disk", on_disk), ("memory", in_memory)):
        done = _run(job, tmp_path / name)
        assert done.returncode == 0, done.stdout
    one, other = (
        tf.train.load_checkpoint(str(tmp_path / name / CHECKPOINTS / "model.ckpt-300"))
        for name in ("disk", "memory")
    )
    assert len(one.get_variable_to_shape_map()) > 5
    for variable in one.get_variable_to_shape_map():
        np.testing.assert_array_equal(one.get_tensor(variable), other.get_tensor(variable))


def test_a_worker_that_waits_for_another_in_vain_has_lost_it(
    mixed: Prepared, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    done = _run(_job(mixed.examples), tmp_path / "model", _two(port))
    assert done.returncode == LOST_PEER
    error = done.stdout.splitlines()[-1]
    assert error.startswith(ERROR)
    assert "worker-1" in error


def test_a_port_that_was_taken_in_the_meantime_may_be_mended_by_another_try(
    mixed: Prepared, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = _run(_job(mixed.examples), tmp_path / "model", _two(taken.getsockname()[1]))
    assert done.returncode == os.EX_TEMPFAIL
    assert "cannot listen" in done.stdout.splitlines()[-1]


def test_an_error_that_would_come_again_is_one_line_with_a_status_of_its_own(
    mixed: Prepared, tmp_path: Path
) -> None:
    diverging = OptimizerConfig("sgd", learning_rate=3e38, clip_norm=None)
    job = dataclasses.replace(
        _job(mixed.examples), model=ModelConfig(units=(4,), optimizer=diverging)
    )
    done = _run(job, tmp_path / "model")
    assert done.returncode == os.EX_SOFTWARE
    assert "Lower the learning rate" in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stdout + done.stderr


def test_examples_that_this_machine_does_not_see_are_the_users_mistake(
    mixed: Prepared, tmp_path: Path
) -> None:
    elsewhere = Examples(str(tmp_path / "none"), "d")
    done = _run(dataclasses.replace(_job(mixed.examples), examples=elsewhere), tmp_path / "model")
    assert done.returncode == os.EX_USAGE
    assert str(tmp_path / "none") in done.stdout.splitlines()[-1]


def test_what_nobody_expected_is_shown_whole(tmp_path: Path) -> None:
    path = tmp_path / "job.json"
    path.write_text(json.dumps({}))
    command = [sys.executable, "-m", "components.training.worker", str(path)]
    done = subprocess.run(
        command, env=child_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "ValidationError" in done.stderr
