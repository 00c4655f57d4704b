"""The sum over workers: the same bits for all of them, whatever its shape, or an error for all."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core.distribution.exchange import Exchange, ExchangeError


@contextlib.contextmanager
def connected(count: int, timeout_seconds: float = 10.0) -> Iterator[list[Exchange]]:
    """The ends of as many workers, all of this process."""
    ends: list[dict[int, socket.socket]] = [{} for _ in range(count)]
    with contextlib.ExitStack() as stack:
        for a, b in itertools.combinations(range(count), 2):
            for at, other, end in zip((a, b), (b, a), socket.socketpair(), strict=True):
                end.setblocking(False)
                ends[at][other] = stack.enter_context(end)
        names = [f"worker-{place}" for place in range(count)]
        yield [Exchange(place, ends[place], timeout_seconds, names) for place in range(count)]


def together(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """What they return, or raise, when they run at the same time."""
    with ThreadPoolExecutor(len(functions)) as pool:
        futures = [pool.submit(function) for function in functions]
        return [future.exception() or future.result() for future in futures]


def totals(exchanges: Sequence[Exchange], values: Sequence[Any]) -> list[Any]:
    pairs = zip(exchanges, values, strict=True)
    return together([lambda one=one, own=own: one.total(own) for one, own in pairs])


@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 5),
    shape=st.lists(st.integers(0, 7), max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_all_workers_get_the_sum_in_the_order_of_workers(
    count: int, shape: list[int], dtype: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = [random.normal(size=shape).astype(dtype) for _ in range(count)]
    expected = values[0]
    for value in values[1:]:
        expected = expected + value
    with connected(count) as exchanges:
        for _ in range(2):
            for found in totals(exchanges, values):
                assert found.dtype == dtype
                np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("count", [2, 3])
def test_a_buffer_may_be_larger_than_what_a_connection_holds(count: int) -> None:
    values = [np.full(3_000_000, place, np.float32) for place in range(count)]
    with connected(count) as exchanges:
        for found in totals(exchanges, values):
            np.testing.assert_array_equal(found, np.float32(sum(range(count))))


def test_a_graph_has_the_sum_with_its_shape() -> None:
    with connected(2) as exchanges:
        graphs = [tf.function(one.traced_total) for one in exchanges]
        values = [tf.ones([2, 3]), tf.fill([2, 3], 4.0)]
        found = together([lambda at=at: graphs[at](values[at]) for at in range(2)])
    for one in found:
        np.testing.assert_array_equal(one, np.full([2, 3], 5.0))
    assert graphs[0].get_concrete_function(values[0]).output_shapes == [2, 3]


def test_a_worker_that_is_gone_is_named_and_nothing_follows() -> None:
    with connected(3) as exchanges:
        for connection in exchanges[1]._connections.values():
            connection.close()
        found = totals([exchanges[0], exchanges[2]], [np.ones(5)] * 2)
        assert [type(error) for error in found] == [ExchangeError] * 2
        assert all("worker-1 is gone" in str(error) for error in found)
        with pytest.raises(ExchangeError, match="worker-1 is gone"):
            exchanges[0].total(np.ones(5))


def test_a_worker_that_does_not_come_in_time_is_named() -> None:
    with (
        connected(3, timeout_seconds=0.2) as exchanges,
        pytest.raises(ExchangeError, match=r"no answer of worker-0, worker-2 in 0\.2 s"),
    ):
        exchanges[1].total(np.ones(5))


def test_workers_at_different_points_do_not_add_up() -> None:
    with connected(2) as exchanges:
        found = totals(exchanges, [np.ones(5), np.ones(6)])
    assert all("is at another point of the training" in str(error) for error in found)
    assert r"(1, 48) (number, bytes), where this worker expected (1, 40)" in str(found[0])
