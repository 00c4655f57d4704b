"""The model of many workers: its limits, and that more of what costs never costs less."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.scaling.model import (
    Costs,
    Network,
    Work,
    efficiency,
    exchange_seconds,
    least_step_seconds,
    ring_seconds,
    step_seconds,
    wait_factor,
)

COSTS = Costs(message_seconds=1e-3, byte_seconds=1e-9, spread=0.0)
NETWORK = Network("8 Gbit/s", latency_seconds=1e-4, bits_a_second=8e9)
WORK = Work("work", step_seconds=0.05, buffer_bytes=1e6)


def test_one_worker_exchanges_nothing() -> None:
    assert exchange_seconds(1, 1e6, COSTS, NETWORK) == 0
    assert efficiency(1, WORK, COSTS, NETWORK) == 1


def test_two_workers_send_their_buffer_once() -> None:
    # A message, the way, and a million bytes that are sent and copied.
    assert exchange_seconds(2, 1e6, COSTS, NETWORK) == pytest.approx(1e-3 + 1e-4 + 2e-3)


def test_more_workers_do_two_rounds_of_a_message_to_each() -> None:
    expected = 2 * (7 * 1e-3 + 1e-4 + 7 / 8 * 2e-3)
    assert exchange_seconds(8, 1e6, COSTS, NETWORK) == pytest.approx(expected)


@pytest.mark.parametrize("workers", [3, 8, 64, 512])
def test_a_ring_moves_as_many_bytes_and_waits_for_more_messages(workers: int) -> None:
    more = ring_seconds(workers, 1e6, COSTS, NETWORK) - exchange_seconds(
        workers, 1e6, COSTS, NETWORK
    )
    assert more == pytest.approx(2 * (workers - 2) * NETWORK.latency_seconds)


def test_the_slowest_of_more_workers_is_slower() -> None:
    assert wait_factor(1, 0.05) == 1
    assert wait_factor(8, 0.05) < wait_factor(64, 0.05) < wait_factor(512, 0.05) < 1.2


def test_agreements_count_at_most_once_a_step() -> None:
    slow = Work("slow", step_seconds=5.0, buffer_bytes=0)
    agreement = exchange_seconds(2, 64, COSTS, NETWORK)
    alone = exchange_seconds(2, 0, COSTS, NETWORK)
    assert step_seconds(2, slow, COSTS, NETWORK) == pytest.approx(5.0 + alone + agreement)


@given(st.integers(2, 600), st.floats(1e-3, 10), st.floats(1e3, 1e9), st.floats(0.05, 0.8))
def test_the_least_step_reaches_what_is_wanted(
    workers: int, step: float, size: float, wanted: float
) -> None:
    least = least_step_seconds(workers, size, wanted, COSTS, NETWORK)
    reached = efficiency(workers, Work("", least, size), COSTS, NETWORK)
    assert reached == pytest.approx(wanted, rel=1e-3)
    shorter = Work("", min(step, least), size)
    assert efficiency(workers, shorter, COSTS, NETWORK) <= wanted * 1.001


def test_a_spread_may_prevent_it_for_ever() -> None:
    uneven = Costs(1e-3, 1e-9, spread=0.2)
    assert least_step_seconds(512, 1e6, 0.8, uneven, NETWORK) == math.inf
