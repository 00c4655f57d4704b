"""What becomes of a training when a task fails: all go on, or all end in time and say who."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from rnn_core.distribution import watchdog
from rnn_core.distribution.addresses import connection_error
from rnn_core.storage import checkpoints
from tests.listening import listening_at
from tests.rnn_core.distribution import clusters
from tests.rnn_core.distribution.clusters import Task

LIMIT_SECONDS = 300
TWO = {"worker": 2}
SOON: dict[str, Any] = {"config": {"worker_timeout_secs": 6}}
"""How long workers wait for each other where that is what is tested."""


def _job(root: Path, steps: int = 20, **more: Any) -> list[str]:
    return [json.dumps({"model_dir": str(root / "model"), "steps": steps, **more})]


@contextlib.contextmanager
def _training(
    root: Path,
    jobs: Mapping[str, int] = TWO,
    tasks: Sequence[tuple[str, int]] | None = None,
    **more: Any,
) -> Iterator[dict[str, Task]]:
    cluster = clusters.addresses(jobs)
    arguments = _job(root, **more)
    with clusters.running(root / "logs", cluster, "training_program", arguments, tasks) as started:
        yield started


def _newest_step(root: Path) -> int:
    newest = checkpoints.newest_intact(str(root / "model"))
    return -1 if newest is None else checkpoints.step_from_name(newest)


@pytest.mark.parametrize(("killed", "left"), [("worker-1", "worker-0"), ("worker-0", "worker-1")])
def test_a_killed_worker_ends_the_other_which_names_it(
    killed: str, left: str, tmp_path: Path
) -> None:
    with _training(tmp_path, step_seconds=0.05, steps=1000) as tasks:
        tasks[killed].wait_for("step 3.")
        tasks[killed].signal(signal.SIGKILL)
        assert tasks[left].wait(LIMIT_SECONDS) == 1
        text = tasks[left].text()
    assert "WorkerLostError" in text
    assert f"Unreachable: {killed}" in text
    assert "Start all workers again" in text


def test_a_worker_that_stands_still_too_long_ends_all(tmp_path: Path) -> None:
    with _training(tmp_path, step_seconds=0.05, steps=1000, **SOON) as tasks:
        tasks["worker-1"].wait_for("step 3.")
        tasks["worker-1"].signal(signal.SIGSTOP)
        assert tasks["worker-0"].wait(LIMIT_SECONDS) == 1
        assert "no answer of worker-1 in" in tasks["worker-0"].text()
        assert "worker-1 (at step" in tasks["worker-0"].text()
        tasks["worker-1"].signal(signal.SIGCONT)
        assert tasks["worker-1"].wait(LIMIT_SECONDS) == 1


def test_a_worker_that_stands_still_for_a_while_is_waited_for(tmp_path: Path) -> None:
    with _training(tmp_path, step_seconds=0.05, config={"worker_timeout_secs": 60}) as tasks:
        tasks["worker-1"].wait_for("step 3.")
        tasks["worker-1"].signal(signal.SIGSTOP)
        time.sleep(3)
        tasks["worker-1"].signal(signal.SIGCONT)
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [0, 0]
    assert _newest_step(tmp_path) == 20


def test_a_worker_that_hangs_in_its_input_is_ended(tmp_path: Path) -> None:
    hang: dict[str, Any] = {"hangs": ["1"], "batches": {"1": 4}, "steps": 1000}
    with _training(tmp_path, **hang, **SOON) as tasks:
        assert tasks["worker-0"].wait(LIMIT_SECONDS) == 1
        assert tasks["worker-1"].wait(LIMIT_SECONDS) == watchdog.EXIT_STATUS
        assert "no answer of worker-1 in" in tasks["worker-0"].text()
        assert "Check its input" in tasks["worker-1"].text()


def test_a_worker_with_a_wrong_label_ends_all(tmp_path: Path) -> None:
    with _training(tmp_path, mislabelled=["1"], **SOON) as tasks:
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [1, 1]
        assert "LabelError" in tasks["worker-1"].text()
        assert "WorkerLostError" in tasks["worker-0"].text()


@pytest.mark.parametrize(("batches", "expected"), [({"1": 0}, 8), ({"1": 2, "0": 5}, 5)])
def test_a_worker_without_data_or_with_less_is_no_failure(
    batches: dict[str, int], expected: int, tmp_path: Path
) -> None:
    with _training(tmp_path, batches=batches, epochs=2, steps=1000) as tasks:
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [0, 0]
    assert _newest_step(tmp_path) == expected


def test_no_worker_with_data_is_an_error_for_all(tmp_path: Path) -> None:
    with _training(tmp_path, batches={"0": 0, "1": 0}) as tasks:
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [1, 1]
        assert all("EmptyInputError" in task.text() for task in tasks.values())


def test_a_worker_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    cluster = clusters.addresses(TWO)
    arguments = _job(tmp_path, steps=5)
    first = clusters.running(
        tmp_path / "logs", cluster, "training_program", arguments, [("worker", 0)]
    )
    second = clusters.running(
        tmp_path / "logs", cluster, "training_program", arguments, [("worker", 1)]
    )
    with first as early:
        while connection_error(cluster["worker"][0]):
            assert early["worker-0"].poll() is None
            time.sleep(0.05)
        time.sleep(1)
        assert early["worker-0"].poll() is None
        with second as late:
            assert early["worker-0"].wait(LIMIT_SECONDS) == 0
            assert late["worker-1"].wait(LIMIT_SECONDS) == 0


def test_a_host_that_does_not_answer_is_named(tmp_path: Path) -> None:
    with _training(tmp_path, tasks=[("worker", 0)], meeting_secs=2) as tasks:
        assert tasks["worker-0"].wait(LIMIT_SECONDS) == 1
        text = tasks["worker-0"].text()
    assert "timed out waiting for the other workers" in text
    assert "worker-1 (127.0.0.1:" in text


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    cluster = clusters.addresses(TWO)
    own = cluster["worker"][0]
    with socket.socket() as taken:
        taken.bind(("", int(own.rpartition(":")[2])))
        taken.listen()
        with clusters.running(
            tmp_path / "logs", cluster, "training_program", _job(tmp_path), [("worker", 0)]
        ) as tasks:
            assert tasks["worker-0"].wait(LIMIT_SECONDS) == 1
            assert f"cannot listen at {own}" in tasks["worker-0"].text()


@pytest.mark.parametrize(
    ("cluster", "task", "message"),
    [
        ({"chief": ["127.0.0.1:1", "127.0.0.1:2"]}, ("chief", 0), 'expected one "chief"'),
        ({"worker": ["127.0.0.1:1"]}, ("worker", 7), "index from 0 to 0"),
    ],
    ids=["two_chiefs", "index_too_large"],
)
def test_a_wrong_tf_config_is_told_before_anything_starts(
    cluster: dict[str, list[str]], task: tuple[str, int], message: str, tmp_path: Path
) -> None:
    with clusters.running(
        tmp_path / "logs", cluster, "training_program", _job(tmp_path), [task]
    ) as tasks:
        (only,) = tasks.values()
        assert only.wait(LIMIT_SECONDS) == 1
        assert message in only.text()


def test_an_evaluator_may_die_and_come_back(tmp_path: Path) -> None:
    cluster = clusters.addresses({"worker": 1})
    arguments = _job(tmp_path, steps=30, evaluates=True, step_seconds=0.2)
    evaluator = [("evaluator", 0)]
    logs = tmp_path / "logs"
    with contextlib.ExitStack() as stack:

        def start(tasks: Sequence[tuple[str, int]]) -> dict[str, Task]:
            running = clusters.running(logs, cluster, "training_program", arguments, tasks)
            return stack.enter_context(running)

        trained = start([("worker", 0)])["worker-0"]
        first = start(evaluator)["evaluator-0"]
        first.wait_for("ready")
        first.signal(signal.SIGKILL)
        second = start(evaluator)["evaluator-0"]
        assert trained.wait(LIMIT_SECONDS) == 0
        assert second.wait(LIMIT_SECONDS) == 0
        (metrics,) = [line for line in second.text().splitlines() if line.startswith("metrics")]
    assert json.loads(metrics.removeprefix("metrics"))["global_step"] == 30


SERVED = {"chief": 1, "worker": 2, "ps": 1}


def _served(root: Path, steps: int, timeout_seconds: float = 10) -> list[Any]:
    return [root, steps, json.dumps({"worker_timeout_secs": timeout_seconds})]


def _devices(address: str) -> str:
    """What of this machine a listening socket hears, as ``127.0.0.1:2222`` or ``*%lo:2222``."""
    port = address.rpartition(":")[2]
    command = ["ss", "-H", "-l", "-t", "-n", "sport", "=", f":{port}"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[3]


def test_a_training_with_parameter_servers_ends_in_all_tasks(tmp_path: Path) -> None:
    cluster = clusters.addresses(SERVED)
    with clusters.running(
        tmp_path / "logs", cluster, "served_program", _served(tmp_path, 40)
    ) as tasks:
        tasks["chief-0"].wait_for("Saved")
        if shutil.which("ss"):
            heard = [_devices(address) for job in SERVED for address in cluster[job]]
            assert all("%lo:" in place for place in heard), heard
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [0] * 4
    assert json.loads((tmp_path / "metrics.json").read_text())["global_step"] == 40


@pytest.mark.parametrize("struck", ["ps-0", "chief-0"])
def test_without_a_parameter_server_or_a_chief_all_tasks_end(struck: str, tmp_path: Path) -> None:
    cluster = clusters.addresses(SERVED)
    arguments = _served(tmp_path, 1_000_000)
    with clusters.running(tmp_path / "logs", cluster, "served_program", arguments) as tasks:
        tasks["chief-0"].wait_for("Saved")
        tasks[struck].signal(signal.SIGKILL)
        statuses = {name: task.wait(LIMIT_SECONDS) for name, task in tasks.items()}
        assert statuses == {name: -9 if name == struck else 1 for name in tasks}
        if struck != "chief-0":
            assert f"Unreachable: {struck}" in tasks["chief-0"].text()
        else:
            assert "the chief at" in tasks["worker-0"].text()


def test_a_lost_worker_of_parameter_servers_is_done_without(tmp_path: Path) -> None:
    cluster = clusters.addresses(SERVED)
    # Long enough for the first steps, which are traced, on a machine that is busy.
    arguments = _served(tmp_path, 4000, LIMIT_SECONDS)
    with clusters.running(tmp_path / "logs", cluster, "served_program", arguments) as tasks:
        tasks["chief-0"].wait_for("Saved")
        tasks["worker-1"].signal(signal.SIGKILL)
        assert tasks["chief-0"].wait(LIMIT_SECONDS) == 0
        assert tasks["worker-0"].wait(LIMIT_SECONDS) == 0
        assert tasks["ps-0"].wait(LIMIT_SECONDS) == 0


class _Network:
    """Two hosts in network namespaces, joined by a cable that can be cut."""

    def __init__(self) -> None:
        self._tag = f"rf{os.getpid() % 10000}"
        self.hosts = [f"{self._tag}a", f"{self._tag}b"]
        self.addresses = ["10.99.0.1", "10.99.0.2"]

    def __enter__(self) -> _Network:
        ends = [f"{host}v" for host in self.hosts]
        for host in self.hosts:
            _ip("netns", "add", host)
        _ip("link", "add", ends[0], "type", "veth", "peer", "name", ends[1])
        for host, end, address in zip(self.hosts, ends, self.addresses, strict=True):
            _ip("link", "set", end, "netns", host)
            _ip("-n", host, "addr", "add", f"{address}/24", "dev", end)
            _ip("-n", host, "link", "set", end, "up")
            _ip("-n", host, "link", "set", "lo", "up")
        return self

    def cut(self) -> None:
        _ip("-n", self.hosts[1], "link", "set", f"{self.hosts[1]}v", "down")

    def __exit__(self, *_: Any) -> None:
        for host in self.hosts:
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


needs_namespaces = pytest.mark.skipif(
    shutil.which("ip") is None or os.geteuid() != 0,
    reason="network namespaces need root and iproute2 (Debian's package)",
)


@needs_namespaces
def test_a_cut_network_ends_both_sides(tmp_path: Path) -> None:
    with _Network() as network:
        cluster = {"worker": [f"{address}:2222" for address in network.addresses]}
        with clusters.running(
            tmp_path / "logs",
            cluster,
            "training_program",
            _job(tmp_path, steps=1000, step_seconds=0.05, **SOON),
            hosts=network.hosts,
        ) as tasks:
            tasks["worker-1"].wait_for("step 3.")
            for task, address in zip(tasks.values(), network.addresses, strict=True):
                assert listening_at(task.pid) == {(address, 2222)}
            network.cut()
            assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [1, 1]
            for task in tasks.values():
                assert "WorkerLostError" in task.text()
                assert "Unreachable: worker-" in task.text()
