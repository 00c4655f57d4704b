"""What a forked task runs; loading this module loads all that the programs of clusters need."""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence

import coverage

from components.runtime.libraries import load_tensorflow
from tests.measured import MEASURED

load_tensorflow()
import tests.rnn_core.distribution.cases  # noqa: E402, F401  Keras, rnn_core and the models

PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""
CLONE_NEWNET = 0x40000000
"""From <sched.h>."""


def run(
    program: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    log: str,
    host: str | None,
) -> None:
    """Runs a program of this folder as ``python -m`` does, with its output in ``log``.

    ``host`` is the network namespace that it runs in, if not that of the tests.
    """
    os.setsid()
    library = ctypes.CDLL(None, use_errno=True)
    # With the process from which it was forked, which ends with that of the tests.
    library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if host is not None:
        namespace = os.open(f"/var/run/netns/{host}", os.O_RDONLY)
        if library.setns(namespace, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns", host)
        os.close(namespace)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(output, stream.fileno())
    os.close(output)
    os.environ.clear()
    os.environ.update(environment)
    if MEASURED in os.environ:
        coverage.process_startup()
    sys.argv = [program, *arguments]
    runpy.run_module(f"tests.rnn_core.distribution.{program}", run_name="__main__", alter_sys=True)
