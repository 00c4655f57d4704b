"""Work that waits a little, so that more of it is done at once, and by a thread of its own."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable


class Lingering:
    """Calls a function on a thread of its own, some time after it was first wanted.

    Args:
      function: what is called. An error ends the thread and is not told: who calls the function
        once more at the end meets it again.
      linger_seconds: how long a wish waits for others; one call is for all of them.
    """

    def __init__(self, function: Callable[[], None], linger_seconds: float) -> None:
        self._function = function
        self._linger_seconds = linger_seconds
        self._wanted = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lingering", daemon=True)
        self._thread.start()

    def want(self) -> None:
        """Wants a call."""
        self._wanted.set()

    def close(self) -> None:
        """Returns when a call that runs has ended; there is no other one, wanted or not."""
        self._closed.set()
        self._wanted.set()
        self._thread.join()

    def _run(self) -> None:
        with contextlib.suppress(Exception):
            while self._wanted.wait() and not self._closed.wait(self._linger_seconds):
                self._wanted.clear()
                self._function()
