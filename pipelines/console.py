"""The output of a run in progress: one line per stage, and on a terminal what it does now."""

from __future__ import annotations

import logging
import os
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

LOGGER = logging.getLogger("rnnflow")

_NAME_WIDTH = 17
"""The longest name, ``champion_metrics``, and a space."""
_LOG_WIDTH = 200
"""Columns; rich takes 80 where there is no terminal, and cuts off tables there."""


class StageLine:
    """The line of one stage: a spinner while it runs on a terminal, one line when it is done."""

    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._started = time.monotonic()
        self._status: Status | None = None

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status(f"{self._name} ...")
            self._status.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._status:
            self._status.stop()

    @property
    def seconds(self) -> float:
        """Since the stage began."""
        return time.monotonic() - self._started

    def update(self, text: str) -> None:
        """Says what the stage does now; a log stays quiet."""
        if self._status:
            self._status.update(f"{self._name}: {escape(text)}")

    def finish(self, summary: str, reused: bool) -> None:
        """Prints the stage's one line."""
        if self._status:
            self._status.stop()  # or the spinner would be drawn over the line
        mark = "reused" if reused else f"{self.seconds:.1f} s"
        style = "cyan" if reused else "green"
        name = f"{self._name:<{_NAME_WIDTH}}"
        self._console.print(f"  [bold]{name}[/] [{style}]{mark:>8}[/]  {escape(summary)}")
        # For the log of the flow run in Prefect; on the console this logger is muted.
        LOGGER.info("%s: %s (%s)", self._name, summary, mark)


def make_console(stderr: bool = False) -> Console:
    """Never wraps: a line is a line. A file or a log has room for a wide table."""
    console = Console(soft_wrap=True, highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _LOG_WIDTH
    return console
