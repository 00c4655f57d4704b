"""Training from TFRecords on disk, the pipeline's own way, beside the same batches in memory.

Rows have 5 to 200 steps, with the networks of all works. In memory, batches are parsed already.
"""

from __future__ import annotations

import statistics
import sys
from typing import Final

from benchmarks.peers.work import WORKS
from benchmarks.processes.children import Children, alone_by_turns
from benchmarks.processes.ratios import ratio

LEAST: Final = 0.9


def run(rounds: int = 7) -> None:
    """Prints the rate from disk, of that from memory."""
    for name in WORKS:
        found = measure(name, rounds)
        milliseconds = {source: 1e3 * statistics.median(found[source]) for source in found}
        steps = ", ".join(f"{source} {value:.0f} ms" for source, value in milliseconds.items())
        of_memory = ratio(found["memory"], found["records"])
        print(f"{name}: {steps} a window; {of_memory} (wanted: {LEAST})", flush=True)


def measure(name: str, rounds: int) -> dict[str, list[float]]:
    """Seconds of the windows of both."""
    with Children() as children:
        started = {
            source: children.start(
                "benchmarks.peers.records_child",
                {"work": name, "native": True, "from_memory": source == "memory"},
            )
            for source in ("memory", "records")
        }
        for child in started.values():
            child.answer()
        found = alone_by_turns(started, rounds)
    return {source: [one["seconds"] for one in windows] for source, windows in found.items()}


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
