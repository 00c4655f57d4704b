"""Two threads that need MLflow at the same moment both get all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

# In a process of its own, where MLflow is not loaded yet: what a run does that reuses everything.
_BOTH_AT_ONCE = """
import threading
from components.tracking.loading import load_client
errors = []
def sender():
    try:
        load_client()
        import components.tracking.delivery
    except BaseException as error:
        errors.append(error)
thread = threading.Thread(target=sender)
thread.start()
load_client()
import components.registry.registry
thread.join()
assert not errors, errors
"""


def test_two_threads_load_it_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BOTH_AT_ONCE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
