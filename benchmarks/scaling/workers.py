"""Weak scaling: two workers of one core each, beside one process, and beside TensorFlow 2.15.

LSTM, B=64 a worker, T=50, F=32. Every process has one core and one thread, and trains from batches
in memory. A worker's examples a second are compared with those of

- one process alone on the machine, which is what the bounds are for; this also counts what two busy
  cores take from each other, such as memory bandwidth;
- one of two processes that run at the same time and know nothing of each other: what remains is the
  price of working together.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from typing import Any, Final

from benchmarks.processes.children import (
    PYTHON_OF_ESTIMATOR,
    ROOT,
    Child,
    Children,
    interleaved,
    ready,
    together,
)
from benchmarks.processes.ratios import ratio
from benchmarks.scaling.work import BATCH, exchanged_numbers

BOUNDS: Final = {128: 0.92, 32: 0.80}
"""H, and the least of one process's examples a second that a worker has to reach."""
FASTER_THAN_ESTIMATOR: Final = 2.0
WINDOW_STEPS: Final = {128: 50, 32: 500}
CORES: Final = (0, 1)


def run(rounds: int = 9) -> None:
    """Prints all; ``rounds`` of each comparison, medians with the lowest and the highest."""
    for native in (False, True):
        if native and not has_native():
            print("native layers: not built, `make run` builds them\n")
            continue
        for units in BOUNDS:
            _scaling(units, native, rounds)
    beside_estimator(rounds)


def beside_estimator(rounds: int = 9) -> None:
    """Prints how much faster two workers are than those of TensorFlow 2.15's estimator."""
    for units in BOUNDS:
        _beside_estimator(units, rounds)


def has_native() -> bool:
    """Whether the native layers are built."""
    return any((ROOT / "rnn_core/kernels").glob("*.so"))


def _settings(units: int, core: int, **more: Any) -> dict[str, Any]:
    return {"units": units, "core": core, "window_steps": WINDOW_STEPS[units], **more}


def _scaling(units: int, native: bool, rounds: int) -> None:
    print(f"LSTM [{units}], {'native layers' if native else 'stock operations'}, dense input")
    steps = WINDOW_STEPS[units] * (3 if native else 1)
    own = [{**_settings(units, core, native=native), "window_steps": steps} for core in CORES]
    with Children() as children:
        alone = [children.start("benchmarks.scaling.train_child", settings) for settings in own]
        workers = children.cluster("benchmarks.scaling.train_child", own)
        ready([*alone, *workers])
        groups = {"first": alone[:1], "second": alone[1:], "independent": alone, "workers": workers}
        taken = interleaved(groups, rounds)
        sent = _sent_a_step(workers, steps)
        size = exchanged_numbers(units)
        probes = _exchange_milliseconds(children, size)
    one = [(a + b) / 2 for a, b in zip(taken["first"], taken["second"], strict=True)]
    _say_rate("one process alone", one, steps)
    _say_rate("two independent processes", taken["independent"], steps)
    _say_rate("two workers", taken["workers"], steps)
    bound = "" if native else f"  (bound: at least {BOUNDS[units]:.2f})"
    print(f"  a worker, of one process alone    {ratio(one, taken['workers'])}{bound}")
    print(f"  a worker, of an independent one   {ratio(taken['independent'], taken['workers'])}")
    held = [
        1e3 * (b - a) / steps for a, b in zip(taken["independent"], taken["workers"], strict=True)
    ]
    print(f"  the exchange holds a step up by   {statistics.median(held):.2f} ms")
    print(f"  the exchange by itself takes      {statistics.median(probes):.2f} ms")
    print(
        f"  a worker sends                    {sent:,.0f} bytes a step, {4 * size:,} of numbers\n"
    )


def _sent_a_step(workers: Sequence[Child], steps: int) -> float:
    before, after = (together(workers)[0]["sent_bytes"] for _ in range(2))
    return (after - before) / steps


def _exchange_milliseconds(children: Children, size: int) -> list[float]:
    own = [{"core": core, "sizes": [size], "repeats": 200} for core in CORES]
    workers = children.cluster("benchmarks.scaling.exchange_child", own)
    ready(workers)
    return [1e3 * max(f["exchanges"][0][0] for f in together(workers)) for _ in range(9)]


def _beside_estimator(units: int, rounds: int) -> None:
    native = has_native()
    layers = "native layers" if native else "stock operations"
    print(f"LSTM [{units}], two workers, {layers}, beside tf.estimator of TensorFlow 2.15.1")
    if not PYTHON_OF_ESTIMATOR.exists():
        print("  not measured: its environment is not installed (`make goldens` does)\n")
        return
    steps = WINDOW_STEPS[units]
    own = [_settings(units, core, sparse=True) for core in CORES]
    with Children() as children:
        ours = children.cluster(
            "benchmarks.scaling.train_child", [{**one, "native": native} for one in own]
        )
        options = {"python": str(PYTHON_OF_ESTIMATOR)}
        theirs = children.cluster("benchmarks.scaling.estimator_child", own, **options)
        one = children.start("benchmarks.scaling.estimator_child", own[0], **options)
        ready([*ours, *theirs, one])
        groups = {"ours": ours, "theirs": theirs, "theirs alone": [one]}
        taken = interleaved(groups, rounds)
    _say_rate("rnn_core", taken["ours"], steps)
    _say_rate("tf.estimator", taken["theirs"], steps)
    bound = f"  (bound: at least {FASTER_THAN_ESTIMATOR:.1f})"
    print(f"  rnn_core, of tf.estimator         {ratio(taken['theirs'], taken['ours'])}{bound}")
    own_scaling = ratio(taken["theirs alone"], taken["theirs"])
    print(f"  its worker, of one of it alone    {own_scaling}\n", flush=True)


def _say_rate(name: str, taken: Sequence[float], steps: int) -> None:
    milliseconds = 1e3 * statistics.median(taken) / steps
    rate = BATCH * 1e3 / milliseconds
    print(f"  {name:33} {milliseconds:6.2f} ms a step, {rate:7,.0f} examples/s each", flush=True)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
