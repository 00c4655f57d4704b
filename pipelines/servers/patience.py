"""Prefect's client, made patient: a request to a server that is away is sent until it is back.

Prefect itself waits for a minute at most, and not at all with a client that was never connected.
All that asks the server passes through ``send`` of two classes: the engine, the log, the schedule.
Importing this module wraps both.

A run needs the server when it begins and when it says how it ended. Whatever else waits for it,
such as the thread that sends the log, does so in the background, as long as the run is going on.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import re
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import httpx
from prefect.client.base import PrefectHttpxAsyncClient, PrefectHttpxSyncClient
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL

from components.config import LaunchConfig
from components.errors import ServerAwayError
from components.runtime.outage import Outage, pauses
from components.tracking.journal import without_credentials

_AWAY_CODES: Final = frozenset({408, 429, 500, 502, 503, 504})
_TRY_SECONDS: Final = 10.0
"""How long one of the later tries may take: a server that accepts a connection and never answers is
asked again, as one that refuses it."""
_HURRY_SECONDS: Final = 5.0
"""Of the 30 s that Docker and Kubernetes give a process to end."""
# The log lines; and the renewal of the slot that a scheduled run holds, which a server forgets when
# it is started again. Prefect would end the run then, but it is the lock of the work directory that
# keeps two runs apart.
_DISPENSABLE: Final = re.compile(r"/logs/?$|/leases/[^/]+/renew$")


class Patience:
    """How long this process waits for Prefect."""

    def __init__(self) -> None:
        self.wait_seconds = LaunchConfig().server_wait_seconds
        self._outage = Outage()
        self._ends_at: float | None = None
        self._without_waiting = False
        self._events_wait = False

    @property
    def is_away(self) -> bool:
        """Whether the last that was heard of the server is that it does not answer."""
        return self._outage.seconds > 0

    def begin(self, wait_seconds: float) -> None:
        """A run begins: the main thread waits so long, others as long as the run goes on."""
        self.wait_seconds = wait_seconds
        self._ends_at = None

    def end(self) -> None:
        """The run is over: from now on all threads have the same time."""
        self._end_by(time.monotonic() + self.wait_seconds)

    def hurry(self) -> None:
        """This process was told to end."""
        self._end_by(time.monotonic() + _HURRY_SECONDS)

    @contextlib.contextmanager
    def ending_when_interrupted(self) -> Iterator[None]:
        """For a pause: a signal that ends it, such as SIGTERM, ends the waiting."""
        try:
            yield
        except BaseException:
            self.hurry()
            raise

    @contextlib.contextmanager
    def without_waiting(self) -> Iterator[None]:
        """For what the main thread can do later, or without: an error comes at once."""
        before, self._without_waiting = self._without_waiting, True
        try:
            yield
        finally:
            self._without_waiting = before

    def answered(self, in_main_thread: bool) -> None:
        """The server answered."""
        self._outage.ends()
        if in_main_thread and self._events_wait:
            self._events_wait = False
            # The states of the stages are events. Those that were lost on the way are sent again
            # with the next one, and none may come.
            emit_event("rnnflow.prefect-is-back", {"prefect.resource.id": "rnnflow"})

    def next_pause(
        self, error: Exception, since: float, pause: float, in_main_thread: bool
    ) -> float:
        """Seconds until the next try of a request that has failed ``since``.

        Raises:
            ServerAwayError: it has been waited for long enough.
        """
        where = without_credentials(str(PREFECT_API_URL.value()))
        why = _reason(error)
        if not self._without_waiting:
            self._events_wait = True
            self._outage.begins(
                f"Prefect at {where}",
                why,
                f"it is waited for where it is needed, at most {self.wait_seconds:.0f} s",
            )
        now = time.monotonic()
        ends = [] if self._ends_at is None else [self._ends_at]
        if in_main_thread:
            ends.append(since if self._without_waiting else since + self.wait_seconds)
        left = min(ends, default=math.inf) - now
        if left > 0:
            return min(pause, left)
        if in_main_thread and not self._without_waiting:
            # What waits in the background for the same server has no more chance.
            self._end_by(now)
        seconds = max(self._outage.seconds, now - since)
        raise ServerAwayError(
            f"Prefect at {where} does not answer ({why}), and did not for {seconds:.0f} s. "
            "Start it, or set PREFECT_API_URL to a server that runs."
        ) from error

    def _end_by(self, moment: float) -> None:
        self._ends_at = moment if self._ends_at is None else min(moment, self._ends_at)


PATIENCE: Final = Patience()
"""That of this process."""


def _install() -> None:
    """Makes every client of Prefect in this process wait as ``PATIENCE`` says."""
    send_now, send_async_now = PrefectHttpxSyncClient.send, PrefectHttpxAsyncClient.send

    @functools.wraps(send_now)
    def send(self: Any, request: httpx.Request, *arguments: Any, **options: Any) -> httpx.Response:
        tries = _Tries(request, threading.current_thread() is threading.main_thread())
        for pause in pauses():
            try:
                response = send_now(self, request, *arguments, **options)
            except (httpx.HTTPError, ServerAwayError) as error:
                seconds = tries.failed(error, pause)
                if seconds is None:
                    return httpx.Response(204, request=request)
                with PATIENCE.ending_when_interrupted():
                    time.sleep(seconds)
            else:
                break
        tries.succeeded()
        return response

    @functools.wraps(send_async_now)
    async def send_async(
        self: Any, request: httpx.Request, *arguments: Any, **options: Any
    ) -> httpx.Response:
        tries = _Tries(request, in_main_thread=False)
        for pause in pauses():
            try:
                response = await send_async_now(self, request, *arguments, **options)
            except (httpx.HTTPError, ServerAwayError) as error:
                seconds = tries.failed(error, pause)
                if seconds is None:
                    return httpx.Response(204, request=request)
                await asyncio.sleep(seconds)
            else:
                break
        tries.succeeded()
        return response

    PrefectHttpxSyncClient.send = send  # type: ignore[method-assign]
    PrefectHttpxAsyncClient.send = send_async  # type: ignore[method-assign]


class _Tries:
    """The tries of one request."""

    def __init__(self, request: httpx.Request, in_main_thread: bool) -> None:
        self._request = request
        self._in_main_thread = in_main_thread
        self._since = time.monotonic()

    def failed(self, error: Exception, pause: float) -> float | None:
        """Seconds until the next try; None if there is to be none and nobody needs the answer.

        Raises:
            ServerAwayError: the server has been waited for long enough.
            Exception: the error, if another try cannot help.
        """
        is_dispensable = _DISPENSABLE.search(self._request.url.path) is not None
        code = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        # Before some requests Prefect sends one of its own, for a token: that has been waited for.
        if is_dispensable and (code == httpx.codes.GONE or isinstance(error, ServerAwayError)):
            return None
        if code not in _AWAY_CODES and not isinstance(error, httpx.TransportError):
            raise error
        limits = self._request.extensions["timeout"]
        self._request.extensions["timeout"] = {
            step: min(seconds or _TRY_SECONDS, _TRY_SECONDS) for step, seconds in limits.items()
        }
        try:
            return PATIENCE.next_pause(error, self._since, pause, self._in_main_thread)
        except ServerAwayError:
            if is_dispensable:
                return None
            raise

    def succeeded(self) -> None:
        PATIENCE.answered(self._in_main_thread)


def _reason(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"status {error.response.status_code}"
    # Some of httpx's errors have no text.
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


# Here, because the process that runs the flow on a schedule gets the flow as a pickle: of this
# package it imports what the flow refers to, and calls nothing before the run has begun.
_install()
