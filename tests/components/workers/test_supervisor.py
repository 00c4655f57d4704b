"""Workers are followed, all ended when one fails, and started again as often as is allowed."""

from __future__ import annotations

import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from components.config import LaunchConfig
from components.errors import RnnflowError, StorageError, WorkerFailedError
from components.workers.supervisor import StopReason, raising_sigterm, run_workers, supervise
from components.workers.worker_process import ERROR, FINISHED, LOST_PEER, WorkerCommand
from tests.components.worker_commands import (
    IGNORE_SIGTERM,
    SLEEP,
    none_left,
    processes,
    runs,
    wait_for,
    worker,
)

LAUNCH = LaunchConfig(restarts_allowed=0, grace_seconds=60.0, exit_seconds=60.0)
AGAIN = dataclasses.replace(LAUNCH, restarts_allowed=2)
DISK_FULL = 74
FINAL: Mapping[int, type[RnnflowError]] = {DISK_FULL: StorageError}
HEED_SIGTERM = f"""
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
open("up", "a").write("x")
{SLEEP}
"""

NOTE_FAILURE = "open('failures', 'a').write('x'); "


@pytest.fixture(autouse=True)
def _nothing_is_left(tmp_path: Path) -> Iterator[None]:
    yield
    assert none_left(tmp_path)


def _nothing() -> None:
    return None


def _supervise(
    folder: Path,
    *texts: str,
    launch: LaunchConfig = LAUNCH,
    find_stop_reason: StopReason = _nothing,
) -> int:
    """Counts the starts of all workers."""
    starts = 0

    def commands() -> list[WorkerCommand]:
        nonlocal starts
        starts += 1
        return [worker(folder, text, index) for index, text in enumerate(texts)]

    supervise(commands, launch, find_stop_reason, FINAL)
    return starts


def _once(marker: str, first: str, later: str = "pass") -> str:
    """A worker that does one thing at its first start and another at later ones."""
    return (
        f"first = not pathlib.Path({marker!r}).exists()\n"
        f"pathlib.Path({marker!r}).touch()\n"
        f"exec({first!r} if first else {later!r})\n"
    )


def test_workers_that_finish_are_started_once(tmp_path: Path) -> None:
    assert _supervise(tmp_path, "pass", "time.sleep(0.2)", launch=AGAIN) == 1
    assert len(processes(tmp_path)) == 2


def test_output_is_told_with_the_name_of_the_worker(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "rnnflow.workers"):
        _supervise(tmp_path, "print('hello')", "print('hello too')")
    told = [record.getMessage() for record in caplog.records]
    assert sorted(told) == ["worker 0 | hello", "worker 1 | hello too"]


def test_when_one_fails_all_others_are_ended_and_all_start_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wait = "while not os.path.exists('up'): time.sleep(0.01)\n"
    failing = _once("failed", f"{wait}sys.exit(7)")
    waiting = _once("waited", HEED_SIGTERM)
    with caplog.at_level(logging.WARNING, "rnnflow"):
        assert _supervise(tmp_path, waiting, failing, launch=AGAIN) == 2
    assert len(processes(tmp_path)) == 4
    (record,) = caplog.records
    assert record.getMessage() == (
        "worker 1 ended with status 7. All workers start again from the last checkpoint "
        "(1 of 2 restarts)."
    )


def test_one_that_ignores_sigterm_is_killed_before_all_start_again(tmp_path: Path) -> None:
    wait = "while not os.path.exists('up'): time.sleep(0.01)\n"
    failing = _once("failed", f"{wait}sys.exit(7)")
    stubborn = _once("waited", f"{IGNORE_SIGTERM}open('up', 'w')\n{SLEEP}")
    launch = dataclasses.replace(AGAIN, grace_seconds=0.1)
    assert _supervise(tmp_path, stubborn, failing, launch=launch) == 2


def test_a_worker_that_fails_too_often_is_named_with_its_last_words(tmp_path: Path) -> None:
    text = f"{NOTE_FAILURE}print('what it said last'); os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(WorkerFailedError) as caught:
        _supervise(tmp_path, SLEEP, text, launch=AGAIN)
    assert (tmp_path / "failures").read_text() == "xxx"
    message = str(caught.value)
    assert message.startswith("worker 1 was killed by SIGKILL. launch.restarts_allowed = 2")
    assert str(tmp_path / "worker-1.log") in message
    assert message.endswith("\n  what it said last")


def test_an_error_that_would_come_again_is_raised_at_once_in_the_workers_words(
    tmp_path: Path,
) -> None:
    text = f"{NOTE_FAILURE}print({ERROR!r} + 'the disk is full'); sys.exit({DISK_FULL})"
    with pytest.raises(StorageError, match=r"^the disk is full$"):
        _supervise(tmp_path, text, SLEEP, launch=AGAIN)
    assert (tmp_path / "failures").read_text() == "x"


def test_a_signal_without_a_name_is_given_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailedError, match=r"worker 0 was killed by signal 50\."):
        _supervise(tmp_path, "os.kill(os.getpid(), 50)")


def test_a_handler_that_sigterm_has_stays() -> None:
    def handle(number: int, frame: object) -> None:
        seen.append(number)

    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, handle)
    try:
        with raising_sigterm():
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.SIGTERM]


def test_the_cause_is_the_worker_that_was_lost_and_not_the_one_that_lost_it(
    tmp_path: Path,
) -> None:
    lost = f"print({ERROR!r} + 'worker 1 is gone'); sys.exit({LOST_PEER})"
    wait = "while not os.path.exists('said'): time.sleep(0.01)\n"
    dying = f"{wait}os.kill(os.getpid(), signal.SIGSEGV)"
    with pytest.raises(WorkerFailedError, match="worker 1 was killed by SIGSEGV"):
        _supervise(tmp_path, f"open('said', 'w'); {lost}", dying)


def test_workers_that_only_lost_each_other_say_so(tmp_path: Path) -> None:
    lost = f"print({ERROR!r} + 'worker 1 does not answer'); sys.exit({LOST_PEER})"
    with pytest.raises(
        WorkerFailedError, match=r"worker 0 ended with status 69 \(worker 1 does not answer\)"
    ):
        _supervise(tmp_path, lost)


@pytest.mark.parametrize("ignoring", ["", IGNORE_SIGTERM])
def test_one_that_has_finished_and_does_not_end_is_ended(tmp_path: Path, ignoring: str) -> None:
    launch = dataclasses.replace(LAUNCH, exit_seconds=0.1, grace_seconds=0.1)
    hanging = f"{ignoring}print({FINISHED!r}); {SLEEP}"
    assert _supervise(tmp_path, hanging, hanging, launch=launch) == 1


def test_one_that_hangs_when_the_chief_has_finished_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    launch = dataclasses.replace(LAUNCH, exit_seconds=0.1)
    with caplog.at_level(logging.WARNING, "rnnflow"):
        assert _supervise(tmp_path, "pass", SLEEP, launch=launch) == 1
    assert "worker 1 has not ended" in caplog.records[0].getMessage()


def test_the_chief_is_given_all_the_time_it_wants_when_others_have_finished(
    tmp_path: Path,
) -> None:
    launch = dataclasses.replace(LAUNCH, exit_seconds=0.05)
    chief = "time.sleep(0.5); open('written', 'w')"
    assert _supervise(tmp_path, chief, "pass", launch=launch) == 1
    assert (tmp_path / "written").exists()


def test_who_looks_may_end_all_with_a_reason(tmp_path: Path) -> None:
    def find_stop_reason() -> str | None:
        return "Worker 2 has left." if (tmp_path / "up").exists() else None

    with pytest.raises(WorkerFailedError, match=r"^Worker 2 has left\. launch\.restarts_allowed"):
        _supervise(tmp_path, HEED_SIGTERM, find_stop_reason=find_stop_reason)


def test_an_error_of_who_looks_ends_all_and_is_raised(tmp_path: Path) -> None:
    def find_stop_reason() -> str | None:
        if (tmp_path / "up").exists():
            raise KeyError("mine")
        return None

    with pytest.raises(KeyError, match="mine"):
        _supervise(tmp_path, HEED_SIGTERM, SLEEP, launch=AGAIN, find_stop_reason=find_stop_reason)


def test_a_command_that_cannot_be_started_is_a_worker_that_failed(tmp_path: Path) -> None:
    command = dataclasses.replace(worker(tmp_path, ""), command=("/no/such/program",))
    failure = run_workers([command], LAUNCH, _nothing)
    assert failure is not None
    assert failure.status == 1
    assert "/no/such/program" in failure.evidence or "No such file" in failure.evidence


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


SUPERVISING = """
import signal, sys
# Ignored signals are inherited: a job in the background of a shell ignores SIGINT, one that nohup
# started SIGHUP.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
sys.path.insert(0, {root!r})
from pathlib import Path
from components.config import LaunchConfig
from components.workers.supervisor import supervise
from tests.components.worker_commands import worker
folder = Path({folder!r})
commands = lambda: [worker(folder, {text!r}, index) for index in range(2)]
supervise(commands, LaunchConfig(), lambda: None, {{}})
"""


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGTERM, 128 + signal.SIGTERM),
        (signal.SIGINT, -signal.SIGINT),
        (signal.SIGKILL, -signal.SIGKILL),
        (signal.SIGHUP, -signal.SIGHUP),
    ],
)
def test_whatever_ends_the_supervisor_ends_its_workers(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    heed = HEED_SIGTERM.replace("sys.exit(143)", "(open('ended', 'a').write('x'), sys.exit(143))")
    text = SUPERVISING.format(root=str(Path.cwd()), folder=str(tmp_path), text=heed)
    with subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.DEVNULL) as supervisor:
        try:
            wait_for(
                lambda: (
                    len((tmp_path / "up").read_text()) == 2 if (tmp_path / "up").exists() else False
                )
            )
            assert all(runs(pid) for pid in processes(tmp_path))
            os.kill(supervisor.pid, number)
            assert supervisor.wait() == status
        finally:
            supervisor.kill()
    wait_for(lambda: none_left(tmp_path))
    if number in (signal.SIGTERM, signal.SIGINT):
        # They were asked to end, and did so in their own way.
        assert (tmp_path / "ended").read_text() == "xx"
