"""The tests' own clusters: what tasks are forked from is not alive yet."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.rnn_core.distribution import clusters

_PROGRAM = """
from pathlib import Path
from tensorflow.python.eager import context
import tests.rnn_core.distribution.forked
made = context.context_safe()
assert made is None or not made._initialized
names = [path.joinpath("comm").read_text().strip() for path in Path("/proc/self/task").iterdir()]
# The allocator of a library, jemalloc, is prepared for forks.
assert len(names) - names.count("jemalloc_bg_thd") == 1, names
"""


def test_loading_the_libraries_starts_no_threads_and_nothing_of_tensorflow() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        cwd=clusters.ROOT,
        env={**os.environ, **clusters.ENVIRONMENT},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
