"""Rows of concurrent requests go through the model together.

There are two lanes, each with a thread of its own: a row of many steps takes the model for as long
as thousands of short ones, and these must not wait behind it. In a lane, rows of about one length
share a batch, since the batch is computed for as many steps as its longest row has. TensorFlow
gives Python's lock away while it computes, so that the next rows are parsed meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from components.data.row_parsing import Row
from components.errors import RnnflowError
from components.export.row_scoring import RowScores
from components.serving.limits import Batching

Score: TypeAlias = Callable[[Sequence[Row]], list[RowScores]]

_LOG = logging.getLogger("rnnflow.serving")

LONG_ROW_STEPS = 1000
"""Longer rows have a lane of their own: a batch of the others ends within some tens of ms."""
# A second call of the model takes as long as some 40 steps of eight rows, measured.
_SHORT_BITS = 6
"""Rows of fewer than 2^6 steps share a batch, whatever their lengths."""
_BATCH_STEPS = 50_000
"""Of a batch with the padding: its memory grows with them, and others wait for its end."""


class TooManyWaitingError(RnnflowError):
    """More rows wait than the server allows: the client is to come again later."""


@dataclass(eq=False, slots=True)
class _Request:
    """The rows of one request, some of which may be in other batches than others.

    Only the thread of the event loop reads and writes it.
    """

    future: asyncio.Future[list[RowScores]]
    scores: list[Any]
    missing: int

    def take(self, index: int, scores: RowScores | Exception) -> None:
        """One row is answered; the future is, when all are, or when one fails."""
        if self.future.done():
            return  # the client has gone, or another row has failed
        if isinstance(scores, Exception):
            self.future.set_exception(scores)
            return
        self.scores[index] = scores
        self.missing -= 1
        if self.missing == 0:
            self.future.set_result(self.scores)


@dataclass(eq=False, slots=True)
class _Waiting:
    row: Row
    request: _Request
    index: int

    @property
    def bucket(self) -> int:
        """Rows of one bucket differ in their steps by a factor of two at most, or are short."""
        return max(self.row.steps.bit_length(), _SHORT_BITS)


class Batcher:
    """Scores rows for coroutines of one event loop.

    Args:
        score: the model; called from two threads.
        batching: how long to wait, and for how many.
        max_waiting_rows: more are refused.
        observe: is told the rows of each batch.
    """

    def __init__(
        self,
        score: Score,
        batching: Batching,
        max_waiting_rows: int,
        observe: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._max_waiting_rows = max_waiting_rows
        self._lanes = {
            name: _Lane(name, score, batching, observe) for name in ("short rows", "long rows")
        }

    async def score(self, rows: Sequence[Row]) -> list[RowScores]:
        """The scores of each row, in the order of the rows.

        Raises:
            TooManyWaitingError: so many rows wait already that these would be too many.
            Exception: whatever the model raises for one of these rows.
        """
        if not rows:
            return []
        waiting = self.waiting_rows
        if waiting + len(rows) > self._max_waiting_rows:
            raise TooManyWaitingError(
                f"{waiting:,} rows wait already, and {self._max_waiting_rows:,} may "
                "(--max-waiting-rows): send the request again later."
            )
        future = asyncio.get_running_loop().create_future()
        request = _Request(future, [None] * len(rows), len(rows))
        parts: dict[str, list[_Waiting]] = {}
        for index, row in enumerate(rows):
            lane = "long rows" if row.steps > LONG_ROW_STEPS else "short rows"
            parts.setdefault(lane, []).append(_Waiting(row, request, index))
        for lane, part in parts.items():
            self._lanes[lane].put(part)
        return await request.future

    @property
    def waiting_rows(self) -> int:
        """Rows that are in no batch yet."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def close(self) -> None:
        """The threads end when every row that waits is answered."""
        for lane in self._lanes.values():
            lane.close()


class _Lane:
    def __init__(
        self, name: str, score: Score, batching: Batching, observe: Callable[[int], None]
    ) -> None:
        self.waiting: deque[_Waiting] = deque()
        self._score = score
        self._batching = batching
        self._observe = observe
        self._changed = threading.Condition()
        self._is_closed = False
        self._enough = 1
        """So many rows wake the thread: it would only look, and take Python's lock for that."""
        # A daemon: a call of the model that never ends must not keep a server from its end.
        threading.Thread(target=self._run, name=f"score {name}", daemon=True).start()

    def put(self, rows: Sequence[_Waiting]) -> None:
        with self._changed:
            self.waiting.extend(rows)
            if len(self.waiting) >= self._enough:
                self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _run(self) -> None:
        in_flight = 1
        while batch := self._next_batch(in_flight):
            found = _scores_or_errors([one.row for one in batch], self._score)
            # Who is answered asks again, and who waits already waits: so many may come.
            in_flight = len(batch) + len(self.waiting)
            self._observe(len(batch))
            loop = batch[0].request.future.get_loop()
            # A server that has ended at its bound has no loop any more.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(_hand_out, batch, found)

    def _next_batch(self, expected: int) -> list[_Waiting]:
        """The oldest row and those that go with it; none when the lane is closed and empty."""
        with self._changed:
            self._wait_until(min(expected, self._batching.max_rows))
            while True:
                while not self.waiting and not self._is_closed:
                    self._changed.wait()
                if not self.waiting:
                    return []
                if batch := self._take():
                    return batch

    def _wait_until(self, enough: int) -> None:
        """Returns when so many rows wait, or when the time is up in which they should come."""
        self._enough = enough
        deadline = time.monotonic() + self._batching.max_wait_milliseconds / 1000
        while len(self.waiting) < enough and not self._is_closed:
            left = deadline - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                break
        self._enough = 1

    def _take(self) -> list[_Waiting]:
        bucket = self.waiting[0].bucket
        limit = max(1, min(self._batching.max_rows, _BATCH_STEPS >> bucket))
        batch: list[_Waiting] = []
        others: list[_Waiting] = []
        while self.waiting and len(batch) < limit:
            one = self.waiting.popleft()
            if not one.request.future.done():  # or its client has gone
                (batch if one.bucket == bucket else others).append(one)
        # In their order: the oldest of them leads the next batch.
        self.waiting.extendleft(reversed(others))
        return batch


def _scores_or_errors(rows: Sequence[Row], score: Score) -> list[RowScores | Exception]:
    """Of each row; those of a batch that fails are scored one by one, so that one fails alone."""
    try:
        return list(score(rows))
    # Whatever the model raises, also for want of memory: each row has its own answer.
    except Exception as error:
        if len(rows) == 1:
            _LOG.error("a row of %d steps cannot be scored: %s", rows[0].steps, error)
            return [error]
        return [each for row in rows for each in _scores_or_errors([row], score)]


def _hand_out(batch: Sequence[_Waiting], found: Sequence[RowScores | Exception]) -> None:
    for one, scores in zip(batch, found, strict=True):
        one.request.take(one.index, scores)
