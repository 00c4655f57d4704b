"""The end of a worker that hangs; ``test_failures`` shows it in a training."""

from __future__ import annotations

import subprocess
import sys

from rnn_core.config.run_config import RunConfig
from rnn_core.distribution import watchdog
from tests.programs import LOAD_TENSORFLOW

_PROGRAM = f"""
{LOAD_TENSORFLOW}
import time
from rnn_core.config.run_config import RunConfig
from rnn_core.distribution import watchdog
watchdog._GRACE_SECONDS = 0.0
with watchdog.Watchdog(RunConfig(worker_timeout_secs=0.2)).entered() as dog:
    with dog.watching():
        pass
    time.sleep(1.5)
    print("alive", flush=True)
    with dog.watching():
        time.sleep(600)
"""


def test_only_what_is_watched_must_end_in_time() -> None:
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == watchdog.EXIT_STATUS
    assert done.stdout == "alive\n"
    assert "worker 0 has done no step" in done.stderr


def test_a_watchdog_that_is_left_watches_no_more() -> None:
    with watchdog.Watchdog(RunConfig(worker_timeout_secs=1)).entered() as dog, dog.watching():
        pass
