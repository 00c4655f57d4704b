"""Becomes a command that the system kills when the process that started it is no more.

    python -I tied_process.py PARENT COMMAND [ARGUMENT ...]

PARENT is the process id of the starter. It ties itself, where ``preexec_fn`` would run Python
between fork and exec of a process with many threads. Other systems than Linux do not tie.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1
"""From <sys/prctl.h>."""


def tied(command: Sequence[str]) -> list[str]:
    """The command that becomes ``command``, tied to this process."""
    return [sys.executable, "-I", __file__, str(os.getpid()), *command]


def main(parent: str, *command: str) -> None:
    """Ties this process to ``parent`` and becomes ``command``."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The starter may have died before this process was tied.
    if os.getppid() != int(parent):
        sys.exit(128 + signal.SIGKILL)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
