"""A training that is killed and started again ends, bit for bit, as one that was not."""

from __future__ import annotations

import contextlib
import functools
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from rnn_core.distribution.greeting import TOKEN_BYTES, RefusedError, call
from rnn_core.loops.interruption import EXIT_STATUS
from rnn_core.storage import checkpoints
from rnn_core.storage.summaries import read_events
from tests.listening import listening_at
from tests.rnn_core.distribution import clusters
from tests.rnn_core.distribution.clusters import Task
from tests.rnn_core.samples import same_bits

STEPS = 24
LIMIT_SECONDS = 300


def _job(root: Path, **more: Any) -> list[str]:
    return [json.dumps({"model_dir": str(root / "model"), "steps": STEPS, **more})]


def _outcome(root: Path) -> tuple[dict[str, Any], dict[int, dict[str, float]]]:
    """All variables of the last checkpoint, and all event values but the speed."""
    variables = checkpoints.read(str(root / "model" / f"model.ckpt-{STEPS}"))
    events = read_events(str(root / "model"))
    for values in events.values():
        values.pop("global_step/sec", None)
    return variables, {step: values for step, values in events.items() if values}


@pytest.fixture(scope="module")
def whole_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Any]:
    """What an uninterrupted training of so many workers gives; each is trained once."""

    @functools.cache
    def outcome(workers: int) -> Any:
        root = tmp_path_factory.mktemp("whole")
        clusters.run(root / "logs", {"worker": workers}, "training_program", _job(root))
        return _outcome(root)

    return outcome


@pytest.fixture(params=[1, 2], ids=["one", "two"])
def whole(request: pytest.FixtureRequest, whole_of: Callable[[int], Any]) -> Any:
    """The number of workers, and what an uninterrupted training of theirs gives."""
    return request.param, whole_of(request.param)


def _strike(tasks: dict[str, Task], name: str, step: int, number: int) -> list[int]:
    """Sends a signal at a step; the exit statuses of all."""
    tasks[name].wait_for(f"step {step}.")
    tasks[name].signal(number)
    return [task.wait(LIMIT_SECONDS) for task in tasks.values()]


@pytest.mark.parametrize(
    ("number", "chief", "step"),
    [(signal.SIGKILL, True, 7), (signal.SIGKILL, False, 12), (signal.SIGTERM, False, 13)],
    ids=["chief_killed", "last_killed", "interrupted"],
)
def test_a_killed_training_ends_as_the_whole_one(
    whole: Any, number: int, chief: bool, step: int, tmp_path: Path
) -> None:
    workers, expected = whole
    cluster = clusters.addresses({"worker": workers})
    struck = "worker-0" if chief else f"worker-{workers - 1}"
    # Slow steps, so that the signal strikes at the step that was seen.
    slow = _job(tmp_path, step_seconds=0.05)
    with clusters.running(tmp_path / "logs", cluster, "training_program", slow) as tasks:
        statuses = _strike(tasks, struck, step, number)
        if number == signal.SIGTERM:
            assert statuses == [EXIT_STATUS] * workers
        else:
            assert all(status != 0 for status in statuses)
    clusters.run(tmp_path / "logs", {"worker": workers}, "training_program", _job(tmp_path))
    variables, events = _outcome(tmp_path)
    assert same_bits(variables, expected[0])
    assert events == expected[1]


@contextlib.contextmanager
def _knocking_at(addresses: Sequence[str]) -> Iterator[list[int]]:
    """Strangers who come again and again with a token of their own, and one each who says nothing;
    yields how often each address refused one."""
    refused = [0] * len(addresses)
    ended = threading.Event()

    def knock(at: int, stack: contextlib.ExitStack) -> None:
        host, _, port = addresses[at].rpartition(":")
        silent = False
        while not ended.wait(0.02):
            try:
                stranger = socket.create_connection((host, int(port)), 10)
            except OSError:  # not yet, or no longer
                continue
            stack.enter_context(stranger)
            if silent:
                try:
                    call(stranger, b"?" * TOKEN_BYTES, 1 - at, at)
                except (RefusedError, OSError):
                    refused[at] += 1
                stranger.close()
            silent = True

    with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(addresses)) as pool:
        knocking = [pool.submit(knock, at, stack) for at in range(len(addresses))]
        try:
            yield refused
        finally:
            ended.set()
            for one in knocking:
                one.result()


def test_workers_listen_at_their_own_address_and_no_stranger_disturbs_them(
    whole: Any, tmp_path: Path
) -> None:
    workers, expected = whole
    cluster = clusters.addresses({"worker": workers})
    # Who waits for the last worker, and for no other, hears the strangers' token.
    job = _job(tmp_path, late=workers - 1)
    with (
        _knocking_at(cluster["worker"]) as refused,
        clusters.running(tmp_path / "logs", cluster, "training_program", job) as tasks,
    ):
        tasks["worker-0"].wait_for("step 3.")
        for task, address in zip(tasks.values(), cluster["worker"], strict=True):
            host, _, port = address.rpartition(":")
            # A worker that is alone has nobody to listen for.
            own = {(host, int(port))} if workers > 1 else set()
            assert listening_at(task.pid) == own
        assert [task.wait(LIMIT_SECONDS) for task in tasks.values()] == [0] * workers
    if workers > 1:
        assert all(refused)
        assert any("does not know the token" in task.text() for task in tasks.values())
    variables, events = _outcome(tmp_path)
    assert same_bits(variables, expected[0])
    assert events == expected[1]


@pytest.mark.parametrize("deaf", [None, 1], ids=["connected", "not_connected"])
def test_workers_with_servers_of_tensorflow_end_as_those_without(
    deaf: int | None, whole_of: Callable[[int], Any], tmp_path: Path
) -> None:
    """And if they cannot connect beside the servers, they add up through them."""
    job = _job(tmp_path, pretends_gpus=True, deaf=deaf)
    tasks = clusters.run(tmp_path / "logs", {"worker": 2}, "training_program", job)
    for task in tasks.values():
        assert "Enabled multi-worker collective ops" in task.text()
        assert ("cannot connect to each other directly" in task.text()) is (deaf is not None)
    variables, events = _outcome(tmp_path)
    assert same_bits(variables, whole_of(2)[0])
    assert events == whole_of(2)[1]


def test_an_interrupted_training_has_saved_its_last_step(tmp_path: Path) -> None:
    cluster = clusters.addresses({"worker": 1})
    slow = _job(tmp_path, step_seconds=0.05)
    with clusters.running(tmp_path / "logs", cluster, "training_program", slow) as tasks:
        assert _strike(tasks, "worker-0", 7, signal.SIGTERM) == [EXIT_STATUS]
        text = tasks["worker-0"].text()
    last = int(text.rpartition("step ")[0].rpartition("step ")[2].partition(".")[0])
    newest = checkpoints.newest_intact(str(tmp_path / "model"))
    assert newest is not None
    assert checkpoints.step_from_name(newest) >= last
    assert "Interrupted at step" in text
