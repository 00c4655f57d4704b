"""The sum over workers: the same bits for all of them, whatever its shape, or an error for all."""

from __future__ import annotations

import contextlib
import itertools
import socket
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_core.distribution.all_reduce import Exchange
from rnn_core.distribution.messages import ExchangeError
from rnn_core.kernels import library


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


def total(exchange: Exchange, own: Any, way: str) -> Any:
    """In Python, or by the native operation: not in a graph, since that takes threads of a pool,
    which has fewer than there are workers here."""
    if way == "python":
        return exchange.all_reduce_sum(own)
    try:
        return exchange.traced_all_reduce_sum(tf.constant(own)).numpy()
    except tf.errors.UnknownError as error:
        raise ExchangeError(exchange.fault(error)) from None


def totals(exchanges: Sequence[Exchange], values: Sequence[Any], way: str) -> list[Any]:
    pairs = zip(exchanges, values, strict=True)
    return together([partial(total, one, own, way) for one, own in pairs])


ways = pytest.mark.parametrize("way", ["python", "native"])


@pytest.fixture(autouse=True)
def _native(native: Any) -> None:
    """The native operation is there, and may be used."""


@ways
@settings(max_examples=40, deadline=None)
@given(
    count=st.integers(2, 5),
    shape=st.lists(st.integers(0, 7), max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_all_workers_get_the_sum_in_the_order_of_workers(
    way: str, count: int, shape: list[int], dtype: str, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = [random.normal(size=shape).astype(dtype) for _ in range(count)]
    expected = values[0]
    for value in values[1:]:
        expected = expected + value
    with connected(count) as exchanges:
        for _ in range(2):
            for found in totals(exchanges, values, way):
                assert found.dtype == dtype
                np.testing.assert_array_equal(found, expected)


@ways
@pytest.mark.parametrize("count", [2, 3])
def test_a_buffer_may_be_larger_than_what_a_connection_holds(way: str, count: int) -> None:
    values = [np.full(3_000_000, place, np.float32) for place in range(count)]
    with connected(count) as exchanges:
        for found in totals(exchanges, values, way):
            np.testing.assert_array_equal(found, np.float32(sum(range(count))))


@ways
def test_a_graph_has_the_sum_with_its_shape(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(library.SWITCH, "off" if way == "python" else "on")
    with connected(2) as exchanges:
        graphs = [tf.function(one.traced_all_reduce_sum) for one in exchanges]
        values = [tf.ones([2, 3]), tf.fill([2, 3], 4.0)]
        found = together([partial(graphs[at], values[at]) for at in range(2)])
        for one in found:
            np.testing.assert_array_equal(one, np.full([2, 3], 5.0))
        assert graphs[0].get_concrete_function(values[0]).output_shapes == [2, 3]


@pytest.mark.parametrize("count", [2, 3])
def test_workers_of_both_ways_work_together(count: int) -> None:
    own = np.arange(7.0)
    with connected(count) as exchanges:
        native, *others = exchanges
        for _ in range(2):
            python = [lambda one=one: total(one, own, "python") for one in others]
            for one in together([lambda: total(native, own, "native"), *python]):
                np.testing.assert_array_equal(one, count * own)


@ways
def test_a_worker_that_is_gone_is_named_and_nothing_follows(way: str) -> None:
    with connected(3) as exchanges:
        for connection in exchanges[1]._connections.values():
            connection.close()
        found = totals([exchanges[0], exchanges[2]], [np.ones(5)] * 2, way)
        assert [type(error) for error in found] == [ExchangeError] * 2
        assert all("worker-1 is gone" in str(error) for error in found)
        with pytest.raises(ExchangeError, match="worker-1 is gone"):
            exchanges[0].all_reduce_sum(np.ones(5))


@ways
def test_a_worker_that_does_not_come_in_time_is_named(way: str) -> None:
    with connected(3, timeout_seconds=0.2) as exchanges:
        (error,) = totals(exchanges[1:2], [np.ones(5)], way)
    assert str(error) == "no answer of worker-0, worker-2 in 0.2 s"


@ways
def test_workers_at_different_points_do_not_add_up(way: str) -> None:
    with connected(2) as exchanges:
        found = totals(exchanges, [np.ones(5), np.ones(6)], way)
    assert all("is at another point of the training" in str(error) for error in found)
    assert r"(2, 48) (number, bytes), where this worker expected (2, 40)" in str(found[0])
