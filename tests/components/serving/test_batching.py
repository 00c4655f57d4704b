"""Rows of many requests share a batch; neither a fault nor a long row touches its neighbours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from components.data.row_parsing import Row
from components.export.row_scoring import RowScores
from components.serving.batching import LONG_ROW_STEPS, Batcher, TooManyWaitingError
from components.serving.limits import Batching

SECONDS = 60.0
"""Far more than anything here takes: only a batcher that hangs needs them."""


def row(steps: int, row_id: str = "") -> Row:
    return Row(row_id, None, steps, {})


class Model:
    """Scores a row by its steps, notes each batch, and waits where a test says so."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()
        self.has_begun = threading.Event()

    def __call__(self, rows: Sequence[Row]) -> list[RowScores]:
        self.batches.append([one.steps for one in rows])
        self.has_begun.set()
        if any(one.id == "wait" for one in rows):
            assert self.may_go_on.wait(SECONDS)
        if any(one.id == "bad" for one in rows):
            raise ValueError("a row that the model cannot take")
        return [RowScores(np.array([1.0], np.float32), one.steps) for one in rows]


@contextmanager
def batcher(model: Model, max_waiting: int = 1000, **options: Any) -> Iterator[Batcher]:
    settings = {"max_wait_milliseconds": 0.0, "max_rows": 8, **options}
    one = Batcher(model, Batching(**settings), max_waiting)
    try:
        yield one
    finally:
        model.may_go_on.set()
        one.close()


async def held(model: Model, one: Batcher) -> asyncio.Task[list[RowScores]]:
    """A request that is being computed, and stays so until the model may go on."""
    model.may_go_on.clear()
    model.has_begun.clear()
    task = asyncio.create_task(one.score([row(3, "wait")]))
    assert await asyncio.to_thread(model.has_begun.wait, SECONDS)
    return task


def run(coroutine: Any) -> Any:
    return asyncio.run(asyncio.wait_for(coroutine, SECONDS))


def test_each_row_gets_its_own_scores_in_the_order_of_the_request() -> None:
    async def ask() -> None:
        with batcher(Model()) as one:
            lengths = [5, 2000, 1, 300, 5, 1]
            found = await one.score([row(steps) for steps in lengths])
            assert [each.class_ids for each in found] == lengths
            assert await one.score([]) == []

    run(ask())


def test_requests_that_come_during_a_batch_share_the_next_one() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model) as one:
            first = await held(model, one)
            others = [asyncio.create_task(one.score([row(4 + i % 4)])) for i in range(6)]
            await asyncio.sleep(0)
            model.may_go_on.set()
            await first
            assert [(await other)[0].class_ids for other in others] == [4, 5, 6, 7, 4, 5]

    run(ask())
    assert model.batches == [[3], [4, 5, 6, 7, 4, 5]]


def test_a_lone_row_waits_for_nobody() -> None:
    async def ask() -> None:
        # It would wait for longer than the test may take.
        with batcher(Model(), max_wait_milliseconds=SECONDS * 2000) as one:
            assert (await one.score([row(2)]))[0].class_ids == 2
            assert (await one.score([row(3)]))[0].class_ids == 3

    run(ask())


def test_a_batch_waits_for_as_many_rows_as_were_there_a_moment_ago() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model, max_wait_milliseconds=SECONDS * 2000) as one:
            first = await held(model, one)
            waiting = [asyncio.create_task(one.score([row(2)])) for _ in range(2)]
            await asyncio.sleep(0)
            model.may_go_on.set()
            await first
            # Three were there: the two that wait are not computed before a third one comes.
            third = asyncio.create_task(one.score([row(3)]))
            await asyncio.gather(*waiting, third)

    run(ask())
    assert model.batches == [[3], [2, 2, 3]]


def test_a_batch_waits_no_longer_than_it_may() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model, max_wait_milliseconds=1.0) as one:
            await one.score([row(2), row(3)])
            assert (await one.score([row(2)]))[0].class_ids == 2

    run(ask())
    assert model.batches == [[2, 3], [2]]


def test_a_batch_has_rows_of_about_one_length_and_the_oldest_goes_first() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model) as one:
            first = await held(model, one)
            rest = asyncio.create_task(one.score([row(n) for n in (500, 4, 300, 100, 63, 5, 127)]))
            await asyncio.sleep(0)
            model.may_go_on.set()
            await first
            await rest

    run(ask())
    assert model.batches == [[3], [500, 300], [4, 63, 5], [100, 127]]


def test_a_batch_has_no_more_rows_and_no_more_padded_steps_than_allowed() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model, max_rows=64) as one:
            await one.score([row(1000) for _ in range(100)] + [row(10) for _ in range(100)])

    run(ask())
    # A batch of 1,000 steps counts as one of 1,024.
    assert max(len(each) for each in model.batches if each[0] == 1000) <= 50_000 // 1024
    assert max(len(each) for each in model.batches if each[0] == 10) <= 64


def test_a_long_row_does_not_hold_up_short_ones() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model) as one:
            model.may_go_on.clear()
            long = asyncio.create_task(one.score([row(LONG_ROW_STEPS + 1, "wait")]))
            assert await asyncio.to_thread(model.has_begun.wait, SECONDS)
            assert (await one.score([row(7)]))[0].class_ids == 7
            assert not long.done()
            model.may_go_on.set()
            await long

    run(ask())


def test_a_row_that_fails_fails_alone() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model) as one:
            first = await held(model, one)
            good = [asyncio.create_task(one.score([row(6)])) for _ in range(2)]
            bad = asyncio.create_task(one.score([row(6), row(7, "bad")]))
            await asyncio.sleep(0)
            model.may_go_on.set()
            await first
            assert [(await each)[0].class_ids for each in good] == [6, 6]
            with pytest.raises(ValueError, match="cannot take"):
                await bad
            assert (await one.score([row(5)]))[0].class_ids == 5

    run(ask())


def test_rows_beyond_what_may_wait_are_refused_and_those_that_wait_are_answered() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model, max_waiting=4) as one:
            first = await held(model, one)
            (waiting,) = (asyncio.create_task(one.score([row(2)] * 4)),)
            await asyncio.sleep(0)
            assert one.waiting_rows == 4
            with pytest.raises(TooManyWaitingError, match="4 rows wait already, and 4 may"):
                await one.score([row(2)])
            model.may_go_on.set()
            await first
            assert len(await waiting) == 4

    run(ask())


def test_rows_whose_client_has_gone_are_not_computed() -> None:
    model = Model()

    async def ask() -> None:
        with batcher(model) as one:
            first = await held(model, one)
            gone = asyncio.create_task(one.score([row(2)]))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            model.may_go_on.set()
            await first
            await one.score([row(9)])

    run(ask())
    assert model.batches == [[3], [9]]


def test_who_waits_when_it_is_closed_is_answered_and_its_threads_end() -> None:
    model = Model()
    before = set(threading.enumerate())

    async def ask() -> None:
        with batcher(model) as one:
            threads = set(threading.enumerate()) - before
            first = await held(model, one)
            waiting = asyncio.create_task(one.score([row(2)]))
            await asyncio.sleep(0)
            one.close()
            model.may_go_on.set()
            await first
            assert (await waiting)[0].class_ids == 2
            for thread in threads:
                await asyncio.to_thread(thread.join, SECONDS)
            assert not any(thread.is_alive() for thread in threads)

    run(ask())
