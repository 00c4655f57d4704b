"""One worker: its output, how it ends, and that nothing of it is left."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.workers.worker_process import ERROR, FINISHED, WorkerProcess, end_all
from tests.components.worker_commands import (
    IGNORE_SIGTERM,
    SLEEP,
    none_left,
    processes,
    runs,
    wait_for,
    worker,
)


class Started:
    """Starts workers in a folder, and ends them with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.workers: list[WorkerProcess] = []

    def __call__(self, text: str) -> WorkerProcess:
        self.workers.append(WorkerProcess(worker(self.folder, text)))
        return self.workers[-1]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Started]:
    started = Started(tmp_path)
    yield started
    end_all(started.workers, 0.0)
    assert none_left(tmp_path)


def _ended(one: WorkerProcess) -> int | None:
    wait_for(lambda: one.poll() is not None)
    return one.status


def test_every_line_is_told_once_and_kept_in_the_file(start: Started, tmp_path: Path) -> None:
    one = start("print('first'); print('zweite Zeile ü', file=sys.stderr); os.write(1, b'\\xff')")
    assert _ended(one) == 0
    assert list(one.new_lines()) == ["first", "zweite Zeile ü", "\ufffd"]
    assert list(one.new_lines()) == []
    kept = (tmp_path / "worker-0.log").read_bytes().splitlines()
    assert kept[0].startswith(b"-- started at 2")
    assert kept[1:] == [b"first", "zweite Zeile ü".encode(), b"\xff"]


def test_a_file_that_cannot_be_written_is_said_once_and_stops_nothing(
    start: Started, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "worker-0.log").mkdir()
    one = start("print('first'); print('second')")
    assert _ended(one) == 0
    assert list(one.new_lines()) == ["first", "second"]
    (message,) = caplog.messages
    assert message == f"{tmp_path / 'worker-0.log'} cannot be written: Is a directory."


def test_the_file_is_continued_by_the_next_start(start: Started, tmp_path: Path) -> None:
    for number in range(2):
        _ended(start(f"print({number})"))
    lines = (tmp_path / "worker-0.log").read_text().splitlines()
    assert [line for line in lines if not line.startswith("--")] == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "status"),
    [("pass", 0), ("sys.exit(7)", 7), ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL)],
)
def test_the_status_is_that_of_the_program(start: Started, text: str, status: int) -> None:
    one = start(text)
    assert _ended(one) == status
    assert one.has_finished is (status == 0)


def test_a_worker_says_itself_that_its_work_is_done(start: Started) -> None:
    one = start(f"print({FINISHED!r}); {SLEEP}")
    assert not one.finished_seconds
    wait_for(lambda: one.has_finished)
    assert one.poll() is None
    assert one.finished_seconds >= 0


def test_one_that_crashes_behind_its_work_has_finished(start: Started) -> None:
    one = start(f"print({FINISHED!r}); os.abort()")
    assert _ended(one) == -signal.SIGABRT
    assert one.has_finished


def test_a_worker_says_why_it_gives_up(start: Started) -> None:
    one = start(f"print({ERROR!r} + 'the disk is full'); sys.exit(1)")
    assert _ended(one) == 1
    assert one.error == "the disk is full"


def test_the_last_lines_are_at_hand(start: Started) -> None:
    one = start("[print(number) for number in range(1000)]")
    _ended(one)
    assert list(one.last_lines) == [str(number) for number in range(990, 1000)]


def test_a_line_without_end_is_no_burden(start: Started) -> None:
    one = start("print('x' * 1_000_000)")
    assert _ended(one) == 0
    assert len("".join(one.new_lines())) == 1_000_000
    assert max(map(len, one.last_lines)) <= 65_536


def test_a_log_that_cannot_be_written_stops_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    command = dataclasses.replace(worker(tmp_path, "print(1); print(2)"), log=Path("/dev/full"))
    with caplog.at_level(logging.WARNING, "rnnflow"):
        one = WorkerProcess(command)
        assert _ended(one) == 0
    assert list(one.new_lines()) == ["1", "2"]
    (record,) = caplog.records
    assert "/dev/full cannot be written: No space left" in record.getMessage()


def test_it_sees_the_environment_it_was_given_and_no_more(tmp_path: Path) -> None:
    command = worker(tmp_path, "print(sorted(os.environ))")
    one = WorkerProcess(dataclasses.replace(command, environment={"LC_ALL": "C", "MINE": "1"}))
    assert _ended(one) == 0
    (line,) = one.new_lines()
    assert "'MINE'" in line
    assert "PATH" not in line


def test_what_a_worker_left_running_ends_with_it(start: Started, tmp_path: Path) -> None:
    text = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("pids", "a").write(f"{child.pid}\\n")
"""
    assert _ended(start(text)) == 0
    wait_for(lambda: none_left(tmp_path))


def test_one_that_heeds_sigterm_may_end_in_its_own_way(start: Started) -> None:
    one = start("signal.signal(signal.SIGTERM, lambda *_: sys.exit(143)); print('up')\n" + SLEEP)
    wait_for(lambda: "up" in one.last_lines)
    end_all(start.workers, 60.0)
    assert one.status == 143


def test_one_that_ignores_sigterm_is_killed(start: Started) -> None:
    one = start(f"{IGNORE_SIGTERM}print('up')\n{SLEEP}")
    wait_for(lambda: "up" in one.last_lines)
    end_all(start.workers, 0.1)
    assert one.status == -signal.SIGKILL


def test_one_that_was_stopped_heeds_sigterm_too(start: Started, tmp_path: Path) -> None:
    one = start(f"print('up')\n{SLEEP}")
    wait_for(lambda: "up" in one.last_lines)
    os.kill(processes(tmp_path)[0], signal.SIGSTOP)
    end_all(start.workers, 60.0)
    assert one.status == -signal.SIGTERM


def test_a_worker_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    text = f"""
import sys, time
sys.path.insert(0, {str(Path.cwd())!r})
from pathlib import Path
from components.workers.worker_process import WorkerProcess
from tests.components.worker_commands import SLEEP, IGNORE_SIGTERM, worker
one = WorkerProcess(worker(Path({str(tmp_path)!r}), IGNORE_SIGTERM + SLEEP))
time.sleep(600)
"""
    with subprocess.Popen([sys.executable, "-c", text]) as starter:
        try:
            wait_for(lambda: len(processes(tmp_path)) == 1)
            assert runs(processes(tmp_path)[0])
        finally:
            starter.kill()
    wait_for(lambda: none_left(tmp_path))
