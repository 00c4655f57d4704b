"""Child processes: their environment, and how they are tied to the process that started them.

Run as a script, this file becomes a command that the system kills when its parent has ended:

    python -I subprocesses.py PARENT COMMAND [ARGUMENT ...]

PARENT is the process id of the parent. The new process sets this for itself, because
``preexec_fn`` would run Python between fork and exec of a process with many threads. Other systems
than Linux leave the command running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""


def tied(command: Sequence[str]) -> list[str]:
    """The command that becomes ``command``, tied to this process."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def main(parent: str, *command: str) -> None:
    """Ties this process to ``parent`` and becomes ``command``."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before prctl was called, which sends no signal then.
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGKILL)
    os.execvp(command[0], command)


def child_environment() -> dict[str, str]:
    """This process's environment, with this project first and TensorFlow's own lines left out."""
    here = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}


if __name__ == "__main__":
    main(*sys.argv[1:])
