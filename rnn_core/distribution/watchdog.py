"""The last resort of a worker that stands still: to end, so that all can be started again.

A worker that waits for others is woken by the time limit of the exchange. One that hangs itself, in
its input or in an operation, would hang for ever: nothing can interrupt it but the end.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterator
from typing import Final

from rnn_core.config.run_config import RunConfig

logger = logging.getLogger("rnn_core")

EXIT_STATUS: Final = 75
"""EX_TEMPFAIL of sysexits.h: another try may succeed."""

_GRACE_SECONDS: Final = 15.0
"""The exchange has its own time limit, with a better error: it comes first."""
_LOOK_EVERY_SECONDS: Final = 1.0


class Watchdog:
    """Ends the process when steps that are watched take longer than the workers' time limit."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._limit_seconds = config.worker_timeout_secs + _GRACE_SECONDS
        self._since: float | None = None
        self._ended = threading.Event()

    @contextlib.contextmanager
    def entered(self) -> Iterator[Watchdog]:
        """Watches from a thread until it is left."""
        thread = threading.Thread(target=self._watch, daemon=True, name="rnn_core watchdog")
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """What is inside must end in time."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_SECONDS):
            since = self._since
            if since is not None and time.monotonic() - since > self._limit_seconds:
                self._end(time.monotonic() - since)

    def _end(self, seconds: float) -> None:
        logger.error(
            "%s %d has done no step for %.0f s and cannot be interrupted: it is ended with exit "
            "status %d. Look at its input; then start all workers again: they go on from the "
            "newest checkpoint. The limit is RunConfig.worker_timeout_secs = %g.",
            self._config.task_type,
            self._config.task_id,
            seconds,
            EXIT_STATUS,
            self._config.worker_timeout_secs,
        )
        for handler in logger.handlers:
            handler.flush()
        os._exit(EXIT_STATUS)
