"""What goes to the terminal: one line per stage, and on a terminal what it does now.

Labels, names and messages come from data that others wrote. What a terminal would act on in them is
printed escaped.
"""

from __future__ import annotations

import functools
import logging
import os
import re
import shlex
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.segment import Segment
from rich.status import Status
from rich.text import Text

from components.runtime.outage import LINES

DEFAULT_WORK_DIR = Path(".rnnflow")

LOGGER = logging.getLogger("rnnflow")

_NAME_WIDTH = 18
"""The longest name, ``reference_metrics``, and a space."""
_LOG_WIDTH = 200
"""Columns; rich takes 80 where there is no terminal, and cuts off tables there."""

_ACTED_ON = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters: C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # the direction of the text around them
    "\u2028\u2029"  # line and paragraph separators
    "\ud800-\udfff]"  # lone surrogates, which no encoding takes
)


def printable(text: str, keep: str = "") -> str:
    """The text with Python's escapes for each character that a terminal acts on.

    Args:
        text: from the data, such as a label.
        keep: characters that stay as they are, such as the line breaks of a message.
    """
    return _ACTED_ON.sub(
        lambda found: found[0] if found[0] in keep else repr(found[0])[1:-1],
        text,
    )


class PrintableConsole(Console):
    """A console that escapes what a terminal would act on in whatever is printed."""

    def render_str(self, text: str, **options: Any) -> Text:
        """The text of a string; here already, so that tables measure what will be printed."""
        return super().render_str(printable(text, keep="\n"), **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """The segments of what is printed; rich's own control segments stay as they are."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else printable(segment.text, keep="\n")
            yield segment._replace(text=text)


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


@functools.cache  # once a process
def show_servers() -> None:
    """From now on this process says when a server is away, and when it is back."""
    LINES.setLevel(logging.INFO)
    LINES.addHandler(_LineHandler())


class _LineHandler(logging.Handler):
    """Prints to what is standard output now: rich replaces it while a line changes."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"  {printable(record.getMessage())}", flush=True)


def work_dir_option(work_dir: Path | None) -> str:
    """What a command that can be pasted needs to find the work directory again."""
    is_default = work_dir is None or work_dir == DEFAULT_WORK_DIR
    return "" if is_default else f" --work-dir {shlex.quote(str(work_dir))}"


def with_work_dir(message: str, work_dir: Path | None) -> str:
    """The message with the work directory in each command in it, as ```rnnflow status```."""
    option = work_dir_option(work_dir)
    return _COMMAND.sub(lambda found: f"`{found[1]}{option}`", message)


# `init` takes no work directory.
_COMMAND = re.compile(r"`(rnnflow (?!init\b|schedule\b)[a-z]+[^`]*)`")


def make_console(stderr: bool = False) -> Console:
    """Never wraps: a line is a line. A file or a log has room for a wide table."""
    console = PrintableConsole(soft_wrap=True, highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _LOG_WIDTH
    return console
