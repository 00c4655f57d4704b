"""`RNNClassifier.train` beside the estimator of TensorFlow 2.15, Keras 3 and torch.

All begin with the same weights, see the same batches, and must have the same loss after the same
steps. Each is a warm process; they train by turns, window after window, so that what else the
machine does meets all of them. Tracing, compiling and starting are not counted.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from benchmarks.peers.work import LOSS_STEP, WORKS, step_flop
from benchmarks.processes.children import (
    PYTHON_OF_ESTIMATOR,
    ROOT,
    Child,
    Children,
    by_turns,
)
from benchmarks.processes.ratios import ratio

LOSS_TOLERANCE: Final = 1e-4
PYTHON_OF_TORCH: Final = ROOT / ".venv-torch-2.13/bin/python"
TORCH_SETTINGS: Final = {
    f"{threads} thread{'s' * (threads > 1)}, {policy}": (threads, policy)
    for threads in (1, 2)
    for policy in ("active", "passive")
}
"""Threads, and what OpenMP's threads do when they have nothing to do; the best is taken."""


class Bound(NamedTuple):
    """The least ratio that is wanted over a peer, by work."""

    peer: str
    least: Mapping[str, float]


BOUNDS: Final = (
    Bound("2.15", {"S": 6, "S2": 5, "M": 2.5, "R": 8, "V": 3}),
    Bound("Keras 3", dict.fromkeys(WORKS, 3)),
    Bound("torch", {"S": 1.5, "M": 1.5, "R": 5, "V": 5}),
)
STOCK_BOUNDS: Final = {"S": 3, "M": 1, "R": 2, "V": 2}
"""Of stock operations over TensorFlow 2.15."""
LIMIT_BOUNDS: Final = {"M": 0.6, "R": 0.4}
"""Of the products' time at the machine's fastest, by the time of a step."""

Seconds = dict[str, list[float]]
"""A step's, round by round, by peer."""


def run(rounds: int = 7) -> None:
    """Prints the table."""
    peak = peak_flop_per_second()
    print(f"float32 products: {peak / 1e9:.0f} GFLOP/s at most here")
    for name in WORKS:
        _say(name, measure(name, rounds), peak)


def peak_flop_per_second(size: int = 1536, repeats: int = 12) -> float:
    """Of the fastest product of two square matrices, on all cores."""
    a = np.ones((size, size), np.float32)
    fastest = float("inf")
    for _ in range(repeats):
        began_at = time.perf_counter()
        a @ a
        fastest = min(fastest, time.perf_counter() - began_at)
    return 2 * size**3 / fastest


def measure(name: str, rounds: int) -> Seconds:
    """Seconds a step of all peers that are installed. Raises ValueError if losses differ."""
    with Children() as children:
        groups = _start(children, name)
        losses = {peer: one.answer()["loss"] for peer, one in groups.items()}
        _check(name, losses)
        taken = by_turns({peer: [one] for peer, one in groups.items()}, rounds)
    steps = WORKS[name].window_steps
    return _best_torch({p: [s / steps for s in seconds] for p, seconds in taken.items()})


def _start(children: Children, name: str) -> dict[str, Child]:
    work = {"work": name}
    found = {
        "rnn_core": children.start("benchmarks.peers.rnn_core_child", {**work, "native": True}),
        "stock": children.start("benchmarks.peers.rnn_core_child", work),
        "Keras 3": children.start("benchmarks.peers.keras_child", work),
    }
    if PYTHON_OF_ESTIMATOR.exists():
        found["2.15"] = children.start(
            "benchmarks.peers.estimator_child", work, python=str(PYTHON_OF_ESTIMATOR)
        )
    if PYTHON_OF_TORCH.exists():
        for peer, (threads, policy) in TORCH_SETTINGS.items():
            found[f"torch, {peer}"] = children.start(
                "benchmarks.peers.torch_child",
                {**work, "threads": threads},
                python=str(PYTHON_OF_TORCH),
                environment={"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)},
            )
    return found


def _check(name: str, losses: Mapping[str, float]) -> None:
    expected = losses["stock"]
    for peer, loss in losses.items():
        if abs(loss / expected - 1) > LOSS_TOLERANCE:
            raise ValueError(
                f"{name}: after {LOSS_STEP} steps {peer} has the loss {loss}, rnn_core {expected}."
            )


def _best_torch(seconds: Seconds) -> Seconds:
    torch = {peer: own for peer, own in seconds.items() if peer.startswith("torch")}
    found = {peer: own for peer, own in seconds.items() if peer not in torch}
    if torch:
        best = min(torch, key=lambda peer: statistics.median(torch[peer]))
        found["torch"] = torch[best]
        print(f"  (best of torch: {best.removeprefix('torch, ')})")
    return found


def _say(name: str, seconds: Seconds, peak: float) -> None:
    print(f"{name}: {WORKS[name]}")
    own = seconds["rnn_core"]
    for peer in ("rnn_core", "stock", "2.15", "Keras 3", "torch"):
        if peer not in seconds:
            print(f"  {peer:9} not installed (`make bench-peers` does)")
            continue
        milliseconds = 1e3 * statistics.median(seconds[peer])
        print(f"  {peer:9} {milliseconds:8.2f} ms a step", end="")
        bound = next((b.least.get(name) for b in BOUNDS if b.peer == peer), None)
        wanted = f" (wanted: {bound:g})" if bound else ""
        print("" if peer == "rnn_core" else f"   rnn_core {ratio(seconds[peer], own)}{wanted}")
    if "2.15" in seconds:
        wanted = f" (wanted: {STOCK_BOUNDS[name]:g})" if name in STOCK_BOUNDS else ""
        print(f"  stock over 2.15 {ratio(seconds['2.15'], seconds['stock'])}{wanted}")
    reached = step_flop(WORKS[name]) / peak / statistics.median(own)
    wanted = f" (wanted: {LIMIT_BOUNDS[name]:.0%})" if name in LIMIT_BOUNDS else ""
    print(f"  of the limit by its products {reached:.0%}{wanted}", flush=True)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
