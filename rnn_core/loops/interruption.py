"""SIGTERM, as schedulers send it before they reclaim a machine: save a checkpoint, then exit."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any, Final, Self

EXIT_STATUS: Final = 128 + signal.SIGTERM
"""143, as a shell reports a process that SIGTERM ended: the training is saved."""


# Not an Exception: `except Exception` in a hook of the user must not swallow it.
class Interrupted(BaseException):
    """SIGTERM came while everything is saved."""


class Interruption:
    """Records SIGTERM while it is entered, instead of ending the process.

    Python handles signals in the main thread only; in another thread this does nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._is_saved = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._is_saved:
            raise Interrupted

    @contextlib.contextmanager
    def all_saved(self) -> Iterator[None]:
        """Everything is saved inside: SIGTERM raises at once.

        Raises:
            Interrupted: SIGTERM came, before or inside.
        """
        # Before the check: a signal that arrives between the two lines raises either way.
        self._is_saved = True
        try:
            if self.requested:
                raise Interrupted
            yield
        finally:
            self._is_saved = False

    def leave(self) -> None:
        """Ends the process as SIGTERM would have: by the handler that was there before, if any.

        Raises:
            SystemExit: with ``EXIT_STATUS``.
        """
        self.__exit__(None, None, None)
        if callable(signal.getsignal(signal.SIGTERM)):
            signal.raise_signal(signal.SIGTERM)
        sys.exit(EXIT_STATUS)
