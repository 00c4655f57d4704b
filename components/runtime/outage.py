"""A server that is away: how often it is asked again, and the two lines that say so.

The lines are records of the logger ``rnnflow.servers``, which the console shows.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Final

LINES: Final = logging.getLogger("rnnflow.servers")

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 10.0
"""So late may a run notice that the server is back."""


def pauses() -> Iterator[float]:
    """Seconds between two tries: each twice as long as the one before, up to a limit."""
    seconds = _FIRST_PAUSE_SECONDS
    while True:
        yield seconds
        seconds = min(2 * seconds, _LONGEST_PAUSE_SECONDS)


class Outage:
    """Says once that a server is away, and once that it is back, whichever thread notices it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server = ""
        self._began: float | None = None

    @property
    def seconds(self) -> float:
        """How long the server has been away; 0 if it is there."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def begins(self, server: str, reason: str, waiting: str) -> None:
        """The server did not answer.

        Args:
            server: its name and address, as they begin a sentence.
            reason: why it did not.
            waiting: a clause that says who waits for it, and how long.
        """
        with self._lock:
            if self._began is not None:
                return
            self._server, self._began = server, time.monotonic()
        self._say(logging.WARNING, f"{server} does not answer ({reason}): {waiting}.")

    def ends(self) -> None:
        """The server answered."""
        with self._lock:
            seconds, began, self._began = self.seconds, self._began, None
        if began is not None:
            self._say(logging.INFO, f"{self._server} answers again, after {seconds:.0f} s.")

    def _say(self, level: int, line: str) -> None:
        # Not to Prefect's log: the thread that sends it may be the one that noticed.
        LINES.log(level, "%s", line, extra={"send_to_api": False})
