"""Followers as real processes: they take part as often as the chief wants, and end when it does."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.workers.cluster import WorkerCluster
from components.workers.rendezvous import Chief
from tests.components.worker_commands import none_left, runs, wait_for

pytestmark = pytest.mark.slow

ADDRESSES = ("a:1", "b:2", "c:3")
LONG = 300.0

FOLLOWING = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from components.workers.cluster import WorkerCluster
from components.config import LaunchConfig
from components.errors import RnnflowError
from components.training.follower import join_cluster
launch = LaunchConfig(chief_wait_seconds={wait}, exit_seconds=60.0)
command = lambda job: (sys.executable, str(job))
try:
    join_cluster(Path({directory!r}), WorkerCluster({addresses!r}, {index}), launch, command)
except RnnflowError as error:
    sys.exit(str(error))
"""
JOB = """
import json, os, pathlib, sys, time
index = json.loads(os.environ["TF_CONFIG"])["task"]["index"]
with open({folder!r} + "/pids", "a") as pids:
    pids.write(f"{{os.getpid()}}\\n")
with open({folder!r} + f"/ran-{{index}}", "a") as ran:
    ran.write("x")
{text}
"""


class Cast:
    """A chief, its followers and their job."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.directory = folder / "cluster"
        self.processes: list[subprocess.Popen[str]] = []

    def chief(self) -> Chief:
        return Chief(self.directory, WorkerCluster(ADDRESSES, 0))

    def job(self, text: str) -> Path:
        path = self.folder / "job.py"
        path.write_text(JOB.format(folder=str(self.folder), text=text))
        return path

    def follower(self, index: int, wait: float = LONG) -> subprocess.Popen[str]:
        text = FOLLOWING.format(
            root=str(Path.cwd()), directory=str(self.directory), addresses=ADDRESSES,
            index=index, wait=wait,
        )  # fmt: skip
        process = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE, text=True)
        self.processes.append(process)
        return process

    def ran(self, index: int) -> int:
        path = self.folder / f"ran-{index}"
        return len(path.read_text()) if path.exists() else 0


@pytest.fixture
def cast(tmp_path: Path) -> Iterator[Cast]:
    cast = Cast(tmp_path)
    try:
        yield cast
    finally:
        for process in cast.processes:
            with process:
                process.kill()
        wait_for(lambda: none_left(tmp_path))


def _ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, error = process.communicate(timeout=LONG)
    return process.returncode, error.strip()


def test_followers_run_their_part_and_end_when_they_are_let_go(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    chief = cast.chief()
    chief.dispatch(cast.job("print('my part')"), LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1)
    assert chief.dismiss("done", "", LONG) == 0
    assert [_ended(follower) for follower in followers] == [(0, ""), (0, "")]
    assert "my part" in (cast.folder / "logs" / "worker-2.log").read_text()
    assert not list(cast.directory.glob("worker-*"))


def test_with_nothing_to_train_followers_end_well(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    assert cast.chief().dismiss("done", "", LONG) == 0
    assert [_ended(follower) for follower in followers] == [(0, ""), (0, "")]
    assert cast.ran(1) == cast.ran(2) == 0


def test_a_part_that_fails_is_a_loss_and_is_run_again_with_all_others(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    chief = cast.chief()
    text = f"if index == 1 and not os.path.exists({str(cast.folder / 'failed')!r}):\n" + (
        f"    open({str(cast.folder / 'failed')!r}, 'w'); sys.exit(7)\ntime.sleep(600)"
    )
    job = cast.job(text)
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1 and chief.find_lost_worker() is not None)
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 2)
    assert chief.dismiss("done", "", LONG) == 0
    assert [_ended(follower)[0] for follower in followers] == [0, 0]


def test_an_order_that_is_taken_back_ends_the_parts(cast: Cast) -> None:
    cast.follower(1)
    cast.follower(2)
    chief = cast.chief()
    job = cast.job("time.sleep(600)")
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1)
    first = [int(line) for line in (cast.folder / "pids").read_text().split()]
    chief.dispatch(job, LONG)
    assert not any(runs(pid) for pid in first)


def test_a_chief_that_was_killed_finds_its_followers_again(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    job = cast.job("time.sleep(600)")
    cast.chief().dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1)
    chief = cast.chief()
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 2)
    chief.dismiss("done", "", LONG)
    assert [_ended(follower)[0] for follower in followers] == [0, 0]


def test_a_follower_that_was_killed_is_replaced_by_one_with_its_index(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    chief = cast.chief()
    job = cast.job("time.sleep(600)")
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1)
    followers[1].kill()
    cast.follower(2)
    wait_for(lambda: chief.find_lost_worker() is not None)
    chief.dispatch(job, LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 2)


def test_when_the_chief_fails_its_followers_do_with_its_reason(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    cast.chief().dismiss("failed", "no rows in train.jsonl", LONG)
    reason = "the chief of this worker failed: no rows in train.jsonl"
    assert [_ended(follower) for follower in followers] == [(1, reason), (1, reason)]


def test_without_a_chief_a_follower_gives_up_in_time(cast: Cast) -> None:
    status, error = _ended(cast.follower(1, wait=0.5))
    assert status == 1
    assert error.startswith("worker 1 got no order from worker 0")


def test_sigterm_ends_a_follower_and_its_part_and_unregisters_it(cast: Cast) -> None:
    followers = [cast.follower(1), cast.follower(2)]
    chief = cast.chief()
    chief.dispatch(cast.job("time.sleep(600)"), LONG)
    wait_for(lambda: cast.ran(1) == cast.ran(2) == 1)
    followers[0].send_signal(signal.SIGTERM)
    assert _ended(followers[0])[0] == 128 + signal.SIGTERM
    wait_for(lambda: str(chief.find_lost_worker()).startswith("worker 1 (b:2) has failed"))
    assert not (cast.directory / "worker-1.json").exists()
