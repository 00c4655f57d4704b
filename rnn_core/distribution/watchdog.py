"""Ends the process of a worker that hangs, so that all workers can be started again.

A worker that waits for others is woken by the timeout of the exchange. One that hangs in its own
input or in an operation cannot be interrupted from Python: only ending the process helps.
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
"""EX_TEMPFAIL of sysexits.h: a retry may succeed."""

_GRACE_SECONDS: Final = 15.0
"""Added to the limit, so that the exchange's own timeout, which has a better error, comes first."""
_CHECK_SECONDS: Final = 1.0


class Watchdog:
    """Ends the process when watched steps take longer than ``worker_timeout_secs`` and a grace."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._limit_seconds = config.worker_timeout_secs + _GRACE_SECONDS
        self._since: float | None = None
        self._ended = threading.Event()

    @contextlib.contextmanager
    def entered(self) -> Iterator[Watchdog]:
        """Watches from a thread inside of the context."""
        thread = threading.Thread(target=self._watch, daemon=True, name="rnn_core watchdog")
        thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            thread.join()

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """The block inside must end within the limit."""
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._since = None

    def _watch(self) -> None:
        while not self._ended.wait(_CHECK_SECONDS):
            # Read once: the main thread may set it to None between a check and its use.
            since = self._since
            if since is not None and time.monotonic() - since > self._limit_seconds:
                self._end(time.monotonic() - since)

    def _end(self, seconds: float) -> None:
        logger.error(
            "%s %d has done no step for %.0f s and cannot be interrupted: it is ended with exit "
            "status %d. Check its input pipeline; then start all workers again: they continue "
            "from the newest checkpoint. The limit is RunConfig.worker_timeout_secs = %g.",
            self._config.task_type,
            self._config.task_id,
            seconds,
            EXIT_STATUS,
            self._config.worker_timeout_secs,
        )
        # os._exit runs no clean-up: what is still buffered would be lost.
        for handler in logger.handlers:
            handler.flush()
        # Not sys.exit: this is not the main thread, and clean-up would wait for the hanging one.
        os._exit(EXIT_STATUS)
