"""The model of ``model.py`` against one, two and three workers on this machine.

What a message and a byte cost is taken from exchanges between two workers, what a step costs from
processes that exchange nothing. From these the model says how long three workers take, which are
then measured. Three share two cores: their own work and their messages take 3/2 of the time.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np

from benchmarks.processes.children import Child, Children, interleaved, ready, together
from benchmarks.scaling.model import Costs, Network, exchange_seconds
from benchmarks.scaling.work import exchanged_numbers

UNITS: Final = (32, 128)
WINDOW_STEPS: Final = {32: 500, 128: 100}
SIZES: Final = (1000, *map(exchanged_numbers, UNITS), 500_000)
"""Numbers of float32 in the exchanges that are measured."""
_REPEATS: Final = 100
_CORES: Final = 2

Measured = dict[int, tuple[float, float]]
"""Seconds of an exchange, and those of a processor, by the numbers in the buffer."""


def run(rounds: int = 7) -> None:
    """Prints what the model takes, and each of its answers beside a measured value."""
    with Children() as children:
        two = measure_exchanges(children, [0, 1], rounds)
    with Children() as children:
        three = measure_exchanges(children, [None] * 3, rounds)
    costs, loopback = fit(two)
    print(f"a message        {1e3 * costs.message_seconds:.3f} ms of a processor")
    print(f"on its way       {1e3 * loopback.latency_seconds:.3f} ms more, in this machine")
    print(f"a byte           {1e9 * costs.byte_seconds:.2f} ns to copy")
    print("              exchange   two: model   measured   three: model   measured")
    for size in SIZES:
        cells = [predicted(workers, 4 * size, costs, loopback) for workers in (2, 3)]
        print(
            f"{4 * size:16,} bytes {1e3 * cells[0]:9.2f} ms {1e3 * two[size][0]:7.2f} ms "
            f"{1e3 * cells[1]:11.2f} ms {1e3 * three[size][0]:7.2f} ms"
        )
    for units in UNITS:
        _steps(units, rounds, costs, loopback)


def fit(two: Measured) -> tuple[Costs, Network]:
    """What a message and a byte cost, by the exchanges of two workers."""
    sizes = np.array([4.0 * size for size in two])
    seconds = np.array([wall for wall, _ in two.values()])
    byte, fixed = np.polyfit(sizes, seconds, 1, w=1 / seconds)
    message = min(processor for _, processor in two.values())
    way = max(fixed - message, 0.0)
    return Costs(message, byte, spread=0.0), Network("this machine", way, float("inf"))


def predicted(workers: int, size: float, costs: Costs, network: Network) -> float:
    """Seconds of an exchange on this machine's cores."""
    crowded = max(1.0, workers / _CORES)
    slower = Costs(costs.message_seconds * crowded, costs.byte_seconds * crowded, costs.spread)
    return exchange_seconds(workers, size, slower, network)


def measure_exchanges(children: Children, cores: Sequence[int | None], rounds: int) -> Measured:
    """Medians of ``rounds``, of a worker on each of ``cores``; None: on any."""
    own = [{"core": core, "sizes": SIZES, "repeats": _REPEATS} for core in cores]
    workers = children.cluster("benchmarks.scaling.exchange_child", own)
    ready(workers)
    found = np.array([[f["exchanges"] for f in together(workers)] for _ in range(rounds)])
    # Rounds, workers, sizes, and seconds beside those of a processor.
    slowest, mean = np.median(found[..., 0].max(1), 0), np.median(found[..., 1].mean(1), 0)
    return {size: (slowest[i], mean[i]) for i, size in enumerate(SIZES)}


def _steps(units: int, rounds: int, costs: Costs, loopback: Network) -> None:
    window = WINDOW_STEPS[units]

    def settings(core: int | None) -> dict[str, object]:
        return {"core": core, "units": units, "window_steps": window}

    with Children() as children:
        alone = [
            children.start("benchmarks.scaling.train_child", settings(core)) for core in (0, 1)
        ]
        two = children.cluster("benchmarks.scaling.train_child", [settings(0), settings(1)])
        three = children.cluster("benchmarks.scaling.train_child", [settings(None)] * 3)
        groups: dict[str, Sequence[Child]] = {
            "1": alone[:1], "independent": alone, "2": two, "3": three,
        }  # fmt: skip
        ready([*alone, *two, *three])
        taken = interleaved(groups, rounds)
    step = {name: statistics.median(values) / window for name, values in taken.items()}
    print(f"LSTM [{units}]: a step of one {1e3 * step['1']:.2f} ms", end="")
    print(f", of each of two that exchange nothing {1e3 * step['independent']:.2f} ms")
    for workers in (2, 3):
        own = step["independent"] * max(1.0, workers / _CORES)
        said = own + predicted(workers, 4 * exchanged_numbers(units), costs, loopback)
        found = step[str(workers)]
        print(
            f"  {workers} workers: model {1e3 * said:.2f} ms, measured {1e3 * found:.2f} ms "
            f"({100 * (said / found - 1):+.0f} %)",
            flush=True,
        )
