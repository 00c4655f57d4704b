"""What 8, 64 and 512 workers bring, by the model of ``model.py`` from costs measured here.

Measured now: what a message and a byte cost two workers, and the step of one process alone. The
networks are assumed: their latency and bandwidth are those that their makers name.
"""

from __future__ import annotations

import math
import statistics
from typing import Final

from benchmarks.processes.children import Children, interleaved, ready
from benchmarks.scaling.check import UNITS, WINDOW_STEPS, fit, measure_exchanges
from benchmarks.scaling.model import Costs, Network, Work, efficiency, least_step_seconds
from benchmarks.scaling.work import BATCH, exchanged_numbers
from benchmarks.scaling.workers import has_native

WORKERS: Final = (2, 8, 64, 512)
NETWORKS: Final = (
    Network("1 Gbit/s", 200e-6, 1e9),
    Network("10 Gbit/s", 50e-6, 10e9),
    Network("100 Gbit/s", 10e-6, 100e9),
)
SPREAD: Final = 0.02
"""Assumed of a worker's own work: machines that do nothing else."""
PAYS_OFF: Final = 0.8
"""A worker's examples a second, of those of one that is alone."""


def run(rounds: int = 5) -> None:
    """Prints efficiencies, and the batch from which so many workers pay off."""
    with Children() as children:
        costs, _ = fit(measure_exchanges(children, [0, 1], rounds))
    costs = Costs(costs.message_seconds, costs.byte_seconds, SPREAD)
    message, byte = 1e6 * costs.message_seconds, 1e9 * costs.byte_seconds
    print(f"a message {message:.0f} us, a byte {byte:.2f} ns; B={BATCH} a worker")
    print(f"efficiency, and least B a worker for {PAYS_OFF:.0%}")
    for work in _works(rounds):
        print(f"{work.name}: {1e3 * work.step_seconds:.2f} ms, {work.buffer_bytes:,.0f} bytes")
        for network in NETWORKS:
            cells = [_cell(workers, work, costs, network) for workers in WORKERS]
            print(f"  {network.name:11}" + "".join(f"{cell:>24}" for cell in cells), flush=True)


def _cell(workers: int, work: Work, costs: Costs, network: Network) -> str:
    reached = efficiency(workers, work, costs, network)
    least = least_step_seconds(workers, work.buffer_bytes, PAYS_OFF, costs, network)
    rows = BATCH * least / work.step_seconds
    batch = "never" if math.isinf(least) else f"B {max(1, math.ceil(rows)):,}"
    return f"{workers}: {reached:.2f} ({batch})"


def _works(rounds: int) -> list[Work]:
    found = []
    for native in [False, True] if has_native() else [False]:
        for units in UNITS:
            steps = WINDOW_STEPS[units]
            settings = {"core": 0, "units": units, "window_steps": steps, "native": native}
            with Children() as children:
                alone = [children.start("benchmarks.scaling.train_child", settings)]
                ready(alone)
                seconds = statistics.median(interleaved({"": alone}, rounds)[""]) / steps
            way = "native layers" if native else "stock operations"
            name = f"LSTM [{units}], {way}"
            found.append(Work(name, seconds, 4.0 * exchanged_numbers(units)))
    return found
