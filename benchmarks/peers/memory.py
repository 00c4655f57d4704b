"""Memory and time of long sequences: beside torch, and in proportion to their length."""

from __future__ import annotations

import itertools
import statistics
import sys
from typing import Any, Final

from benchmarks.peers.training import start_torch
from benchmarks.peers.work import BESIDE_TORCH, LONG_WORKS
from benchmarks.processes.children import PYTHON_OF_TORCH, Children, interleaved_alone

MOST_OVER_TORCH: Final = 1.2

_TORCH_SETTING: Final = "2 threads, passive"


def run(rounds: int = 3) -> None:
    """Prints the peak of each process's resident memory, and what each step of a row adds."""
    found = {name: measure("rnn_core", name, rounds) for name in LONG_WORKS}
    for name, windows in found.items():
        steps = LONG_WORKS[name].window_steps * LONG_WORKS[name].longest
        seconds = statistics.median(window["seconds"] for window in windows)
        print(
            f"{name}: peak {_peak(windows) >> 20} MiB, {1e6 * seconds / steps:.1f} us a step of T"
        )
    for shorter, longer in itertools.pairwise(found):
        added = LONG_WORKS[longer].longest - LONG_WORKS[shorter].longest
        grown = _peak(found[longer]) - _peak(found[shorter])
        print(f"  {shorter} to {longer}: {grown / added / 1024:.0f} KiB a step of T")
    own = _peak(measure("rnn_core", BESIDE_TORCH, rounds))
    print(f"{BESIDE_TORCH}: peak {own >> 20} MiB", end="")
    if PYTHON_OF_TORCH.exists():
        torch = _peak(measure("torch", BESIDE_TORCH, rounds))
        print(f", torch's {torch >> 20} MiB: {own / torch:.2f} (at most wanted: {MOST_OVER_TORCH})")
    else:
        print("; torch is not installed (`make bench-peers` does)")


def measure(peer: str, name: str, rounds: int) -> list[dict[str, Any]]:
    """What a process found in its windows."""
    with Children() as children:
        if peer == "torch":
            child = start_torch(children, {"work": name}, _TORCH_SETTING)
        else:
            settings = {"work": name, "native": True, "dense": True}
            child = children.start("benchmarks.peers.rnn_core_child", settings)
        child.answer()
        return interleaved_alone({peer: child}, rounds)[peer]


def _peak(windows: list[dict[str, Any]]) -> int:
    return max(window["peak_rss_bytes"] for window in windows)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
