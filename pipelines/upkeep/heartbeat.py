"""Something that is done again and again while a run goes on, so that others see it is alive."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Callable, Iterator

from components.tracking.owner import HEARTBEAT_SECONDS


@contextlib.contextmanager
def heartbeat(
    *beats: Callable[[], None], every_seconds: float = HEARTBEAT_SECONDS
) -> Iterator[None]:
    """Calls each function every ``every_seconds``, on a thread, until the block is left.

    An error of one is dropped: a server that is away misses some beats.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(every_seconds):
            for each in beats:
                with contextlib.suppress(Exception):
                    each()

    # With this thread's context: Prefect keeps the address of its server there.
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        # Not joined: a beat may be waiting for a server, and one that comes late harms nobody.
        ended.set()
