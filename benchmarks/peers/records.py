"""Training from TFRecords on disk, the pipeline's own way, beside the same batches in memory.

Rows have 5 to 200 steps, with the networks of all works. In memory, batches are parsed already.
Sorted, each batch has rows of nearly one length: buckets could bring no more.
"""

from __future__ import annotations

import statistics
import sys
from typing import Any, Final

from benchmarks.peers.work import WORKS
from benchmarks.processes.children import Children, interleaved_alone
from benchmarks.processes.ratios import ratio

LEAST: Final = 0.9

_SOURCES: Final[dict[str, dict[str, Any]]] = {
    "records": {"native": True},
    "memory": {"native": True, "from_memory": True},
    "sorted": {"native": True, "sorted": True},
    "records, stock": {},
    "sorted, stock": {"sorted": True},
}


def run(rounds: int = 7) -> None:
    """Prints the rate from disk, of that from memory, and what rows in order of length bring."""
    for name in WORKS:
        found = measure(name, rounds)
        steps = (f"{source} {1e3 * statistics.median(found[source]):.0f} ms" for source in found)
        print(f"{name}, a window: {', '.join(steps)}")
        print(f"  of memory: {ratio(found['memory'], found['records'])} (wanted: {LEAST})")
        for layers in ("", ", stock"):
            brought = ratio(found["records" + layers], found["sorted" + layers])
            print(f"  sorted, of unsorted{layers}: {brought}", flush=True)


def measure(name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of the windows of all sources."""
    with Children() as children:
        started = {
            source: children.start("benchmarks.peers.records_child", {"work": name, **settings})
            for source, settings in _SOURCES.items()
        }
        for child in started.values():
            child.answer()
        found = interleaved_alone(started, rounds)
    return {source: [one["seconds"] for one in windows] for source, windows in found.items()}


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
