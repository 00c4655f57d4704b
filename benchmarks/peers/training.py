"""`RNNClassifier.train` beside the estimator of TensorFlow 2.15, Keras 3 and torch.

All begin with the same weights, see the same batches, and must have the same loss after the same
steps. Each is a warm process; they train interleaved, window after window, so that what else the
machine does meets all of them; who is not at work is stopped. Tracing, compiling and starting are
not counted.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from benchmarks.peers import picture
from benchmarks.peers.work import LOSS_STEP, PRODUCT_SIZE, PRODUCTS, WORKS, step_flop
from benchmarks.processes.children import (
    PYTHON_OF_ESTIMATOR,
    PYTHON_OF_TORCH,
    Child,
    Children,
    interleaved_alone,
)
from benchmarks.processes.ratios import ratio

LOSS_TOLERANCE: Final = 1e-4
TORCH_SETTINGS: Final = {
    f"{threads} thread{'s' * (threads > 1)}, {policy}": (threads, policy)
    for threads in (1, 2)
    for policy in ("active", "passive")
}
"""Threads, and what OpenMP's threads do when they have nothing to do; the best is taken."""


class Bound(NamedTuple):
    """How many times as fast the second is wanted to be as the first, by work."""

    slower: str
    faster: str
    least: Mapping[str, float]


BOUNDS: Final = (
    Bound("2.15", "rnn_core", {"S": 6, "S2": 5, "M": 2.5, "R": 8, "V": 3}),
    Bound("Keras 3", "rnn_core", dict.fromkeys(WORKS, 3)),
    Bound("torch", "rnn_core", {"S": 1.5, "M": 1.5, "R": 5, "V": 5}),
    Bound("2.15", "stock", {"S": 3, "M": 1, "R": 2, "V": 2}),
)
LIMIT_BOUNDS: Final = {"M": 0.6, "R": 0.4}
"""What the products of a step alone would take, at the machine's fastest, by what it takes."""
PEERS: Final = ("rnn_core", "stock", "2.15", "Keras 3", "torch", "products")

Seconds = dict[str, list[float]]
"""A step's, round by round, by peer."""


def run(rounds: int = 7) -> None:
    """Prints the table, and draws it."""
    found = {}
    for name in WORKS:
        found[name] = measure(name, rounds)
        _say(name, found[name])
    picture.draw(found)


def measure(name: str, rounds: int) -> Seconds:
    """Seconds a step of all peers that are installed. Raises ValueError if losses differ."""
    work = WORKS[name]
    with Children() as children:
        started = _start(children, name)
        losses = {peer: child.answer()["loss"] for peer, child in started.items()}
        _check(name, losses)
        product = children.start("benchmarks.peers.product_child", {})
        product.answer()
        found = interleaved_alone({**started, "products": product}, rounds)
    seconds = {
        peer: [window["seconds"] / work.window_steps for window in windows]
        for peer, windows in found.items()
    }
    share = step_flop(work) / (PRODUCTS * 2 * PRODUCT_SIZE**3)
    seconds["products"] = [window["seconds"] * share for window in found["products"]]
    return _best_torch(seconds)


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
        found |= {name: start_torch(children, work, name) for name in TORCH_SETTINGS}
    return found


def start_torch(children: Children, work: dict[str, Any], setting: str) -> Child:
    """A training by torch, with one of ``TORCH_SETTINGS``."""
    threads, policy = TORCH_SETTINGS[setting]
    return children.start(
        "benchmarks.peers.torch_child",
        {**work, "threads": threads},
        python=str(PYTHON_OF_TORCH),
        environment={"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(threads)},
    )


def _check(name: str, losses: Mapping[str, float]) -> None:
    expected = losses["stock"]
    for peer, loss in losses.items():
        if abs(loss / expected - 1) > LOSS_TOLERANCE:
            raise ValueError(
                f"{name}: after {LOSS_STEP} steps {peer} has the loss {loss}, rnn_core {expected}."
            )


def _best_torch(seconds: Seconds) -> Seconds:
    torch = {peer: own for peer, own in seconds.items() if peer in TORCH_SETTINGS}
    found = {peer: own for peer, own in seconds.items() if peer not in torch}
    if torch:
        best = min(torch, key=lambda peer: statistics.median(torch[peer]))
        found["torch"] = torch[best]
        print(f"(torch is best with {best})")
    return found


def _say(name: str, seconds: Seconds) -> None:
    print(f"{name}: {WORKS[name]}")
    for peer in PEERS:
        if peer in seconds:
            print(f"  {peer:9} {1e3 * statistics.median(seconds[peer]):8.2f} ms a step")
        else:
            print(f"  {peer:9} not installed (`make bench-peers` does)")
    for bound in (*BOUNDS, Bound("products", "rnn_core", LIMIT_BOUNDS)):
        if bound.slower in seconds:
            wanted = f"  wanted {bound.least[name]:g}" if name in bound.least else ""
            found = ratio(seconds[bound.slower], seconds[bound.faster])
            print(f"  {bound.slower:>9} / {bound.faster:9} {found}{wanted}", flush=True)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
