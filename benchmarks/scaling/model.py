"""What many workers bring, on paper: the time of a step out of a few measured costs.

A step of a worker is its own work, prolonged by the slowest of all, then the exchange, and its
share of an agreement. Messages cost as in LogGP (Alexandrov et al. 1995): each takes its sender and
its receiver some time of the processor, o; the network has a latency, L; each byte takes a time, G,
to which the copies of gRPC are added here. Two workers swap their buffers. More do two rounds, in
each of which a worker has W - 1 messages on the way at once: o counts W - 1 times and L once, and
(W - 1) / W of the buffer goes through its network interface. A ring (Patarasuk and Yuan 2009) moves
as many bytes, but its 2 (W - 1) messages wait for each other.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Final

MAX_STEPS_PER_CALL: Final = 100
MAX_SECONDS_PER_CALL: Final = 1.0
"""As ``rnn_core.loops.pace``: the workers agree again after so many steps or seconds."""
_AGREEMENT_BYTES: Final = 32
"""What a worker has to say then, for each worker."""


@dataclasses.dataclass(frozen=True)
class Network:
    """What connects the workers, one network interface each."""

    name: str
    latency_seconds: float
    bits_a_second: float


@dataclasses.dataclass(frozen=True)
class Costs:
    """What was measured of the processes, without a network between them."""

    message_seconds: float
    """o: time of the processor for one message sent and one received."""
    byte_seconds: float
    """Copies of a byte that is sent and of one that is received."""
    spread: float
    """Standard deviation of the time of a worker's own work, relative to it."""


@dataclasses.dataclass(frozen=True)
class Work:
    """A step of one worker alone."""

    name: str
    step_seconds: float
    buffer_bytes: float


def exchange_seconds(workers: int, size: float, costs: Costs, network: Network) -> float:
    """Until every worker has the sum of all buffers of ``size`` bytes."""
    if workers == 1:
        return 0.0
    rounds, messages = (1, 1) if workers == 2 else (2, workers - 1)
    share = 1.0 if workers == 2 else (workers - 1) / workers
    byte = 8 / network.bits_a_second + costs.byte_seconds
    return rounds * (
        messages * costs.message_seconds + network.latency_seconds + share * size * byte
    )


def ring_seconds(workers: int, size: float, costs: Costs, network: Network) -> float:
    """The same in a ring."""
    byte = 8 / network.bits_a_second + costs.byte_seconds
    one = costs.message_seconds + network.latency_seconds + size / workers * byte
    return 2 * (workers - 1) * one


def wait_factor(workers: int, spread: float) -> float:
    """The slowest worker's time, of the mean one's: the expected greatest of W normal numbers."""
    return 1 + spread * math.sqrt(2 * math.log(workers))


def step_seconds(workers: int, work: Work, costs: Costs, network: Network) -> float:
    """A step of all workers together."""
    own = work.step_seconds * wait_factor(workers, costs.spread)
    step = own + exchange_seconds(workers, work.buffer_bytes, costs, network)
    steps = max(1.0, min(MAX_STEPS_PER_CALL, MAX_SECONDS_PER_CALL / step))
    return step + exchange_seconds(workers, workers * _AGREEMENT_BYTES, costs, network) / steps


def efficiency(workers: int, work: Work, costs: Costs, network: Network) -> float:
    """A worker's examples a second, of those of one that is alone."""
    return work.step_seconds / step_seconds(workers, work, costs, network)


def least_step_seconds(
    workers: int, size: float, wanted: float, costs: Costs, network: Network
) -> float:
    """The shortest step of one alone with which ``wanted`` efficiency is reached.

    A step is made longer by a larger batch. Infinite if the slowest worker alone prevents it.
    """
    reached = wanted * wait_factor(workers, costs.spread)
    if reached >= 1:
        return math.inf
    low, high = 1e-6, 1e6
    for _ in range(100):
        middle = math.sqrt(low * high)
        enough = efficiency(workers, Work("", middle, size), costs, network) >= wanted
        low, high = (low, middle) if enough else (middle, high)
    return high
