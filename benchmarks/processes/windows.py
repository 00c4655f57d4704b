"""The child's side of a measurement: windows of work that the parent starts one by one.

Only one child, or one group, works at a time: what is compared runs seconds apart, on the same
core, in processes that are warm. The standard library only: TensorFlow 2.15 runs it too.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, Final

GO: Final = "go"


class Windows:
    """Reports to the parent what a window took, and waits for its order to begin the next."""

    def __init__(self) -> None:
        # What libraries print must not get between the lines that the parent reads.
        self._answers = os.fdopen(os.dup(1), "w")
        os.dup2(2, 1)
        self._began: tuple[float, float] | None = None

    def end_window(self, **found: Any) -> bool:
        """Ends the window that runs, the first time the warm-up; False: no other follows."""
        if self._began is not None:
            found["seconds"] = time.perf_counter() - self._began[0]
            found["cpu_seconds"] = time.process_time() - self._began[1]
        # Linux counts it in KiB.
        found["peak_rss_bytes"] = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._answers.write(json.dumps(found) + "\n")
        self._answers.flush()
        more = sys.stdin.readline().strip() == GO
        self._began = time.perf_counter(), time.process_time()
        return more


def pin(core: int | None) -> None:
    """Keeps this process on a core, before TensorFlow counts them; None: on any."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def one_thread(tf: Any) -> None:
    """Operations run one after the other, each on one thread."""
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
