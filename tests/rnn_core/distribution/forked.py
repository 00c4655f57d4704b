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


def run(program: str, arguments: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Runs a program of this folder as ``python -m`` does, with its output in ``log``."""
    os.setsid()
    # With the process from which it was forked, which ends with that of the tests.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
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
