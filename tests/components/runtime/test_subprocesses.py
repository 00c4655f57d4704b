"""A command that becomes what it was given, and dies with its starter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from components.runtime import subprocesses
from tests.components.worker_commands import processes, runs, wait_for

TIE = [sys.executable, "-I", str(subprocesses.__file__)]


def test_the_process_becomes_the_command_with_its_arguments() -> None:
    command = [*TIE, str(os.getpid()), sys.executable, "-c", "import sys; sys.exit(sys.argv[1])"]
    done = subprocess.run([*command, "a b"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "a b\n")


def test_a_starter_that_is_gone_already_leaves_nothing_to_start() -> None:
    done = subprocess.run([*TIE, "1", "/bin/echo", "started"], capture_output=True, check=False)
    assert done.returncode == 128 + signal.SIGKILL
    assert done.stdout == b""


@pytest.mark.slow
def test_the_command_is_killed_with_its_starter_whatever_it_ignores(tmp_path: Path) -> None:
    tied = "import os, signal, time; signal.signal(15, signal.SIG_IGN); " + (
        f"open({str(tmp_path / 'pids')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    )
    text = f"import os, subprocess; subprocess.run({TIE} + [str(os.getpid()), {sys.executable!r}, '-c', {tied!r}])"  # noqa: E501
    with subprocess.Popen([sys.executable, "-c", text]) as starter:
        try:
            wait_for(lambda: len(processes(tmp_path)) == 1)
        finally:
            starter.kill()
    wait_for(lambda: not runs(processes(tmp_path)[0]))
