"""Calls that are put off a little, so that one does for several, and run on a background thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Final

SEND_DELAY_SECONDS: Final = 5.0
"""How far MLflow may be behind the work while its server answers."""


class BackgroundSender:
    """Calls a function on a thread of its own, some time after the first request.

    Args:
        function: what is called. An error ends the thread silently: the owner calls the function
          once more at the end, and gets the error then.
        delay_seconds: how long a request waits for others; one call serves all of them.
    """

    def __init__(self, function: Callable[[], None], delay_seconds: float) -> None:
        self._function = function
        self._delay_seconds = delay_seconds
        self._requested = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background sender", daemon=True)
        self._thread.start()

    def request(self) -> None:
        """Schedules a call; requests within ``delay_seconds`` share one."""
        self._requested.set()

    def close(self) -> None:
        """Returns when the call in progress has ended; none is made after it, requested or not."""
        self._closed.set()
        self._requested.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(Exception):
            while self._requested.wait() and not self._closed.wait(self._delay_seconds):
                # Before the call: a request that comes during it leads to another one.
                self._requested.clear()
                self._function()
