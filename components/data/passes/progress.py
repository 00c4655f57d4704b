"""How far the passes are, told from the files that the workers leave, on whatever machine they are.

A worker that is done with some rows leaves an empty file whose name says how many.
"""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

OnProgress: TypeAlias = Callable[[str], None]
"""Called with a few words every now and then, in another thread."""

_POLL_SECONDS: Final = 0.5
_SUFFIX: Final = ".done"
_READ, _INVALID, _TRANSFORMED = "read", "invalid", "transformed"


def note_read(directory: str, number: int, rows: int, invalid: int) -> None:
    """Notes that a chunk has been read, with so many valid and so many invalid rows."""
    _note(directory, f"{_READ}-{number}-{rows}")
    if invalid:
        _note(directory, f"{_INVALID}-{number}-{invalid}")


def note_transformed(directory: str, rows: int) -> None:
    """Notes that some rows have been transformed and encoded."""
    # A name of its own: rows that a runner transforms twice count twice, and only here.
    _note(directory, f"{_TRANSFORMED}-{uuid.uuid4().hex}-{rows}")


@contextlib.contextmanager
def told(directory: Path, chunks: int, on_progress: OnProgress | None) -> Iterator[None]:
    """Tells how far the passes over so many chunks are, while the block runs."""
    if on_progress is None:
        yield
        return
    ended = threading.Event()

    def poll() -> None:
        began = time.monotonic()
        while not ended.wait(_POLL_SECONDS):
            if text := described(directory, chunks, time.monotonic() - began):
                on_progress(text)

    thread = threading.Thread(target=poll, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def described(directory: Path, chunks: int, seconds: float) -> str:
    """How far the passes are after so many seconds; empty if nothing is done yet."""
    rows: Counter[str] = Counter()
    read_chunks = 0
    for path in directory.glob(f"*{_SUFFIX}"):
        what, _, count = path.stem.split("-")
        rows[what] += int(count)
        read_chunks += what == _READ
    if not read_chunks:
        return ""
    invalid = f", {rows[_INVALID]:,} of them invalid" if rows[_INVALID] else ""
    read = rows[_READ] + rows[_INVALID]
    if not rows[_TRANSFORMED]:
        share = read_chunks / chunks
        left = f", {_left(seconds, share)}" if share < 1 else ""
        return f"read {read:,} rows{invalid}, {read / seconds:,.0f} a second{left}"
    share = min(1.0, rows[_TRANSFORMED] / max(1, rows[_READ]))
    return f"read {read:,} rows{invalid}, transformed {share:.0%}"


def _left(seconds: float, share: float) -> str:
    left = seconds / share - seconds
    return f"{left:,.0f} s left" if left < 100 else f"{left / 60:,.0f} min left"


def _note(directory: str, name: str) -> None:
    (Path(directory) / f"{name}{_SUFFIX}").touch()
