"""How soon the command line answers, beside a Python that does nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.processes.children import ROOT

_RUNS = 10


def run() -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "rnnflow --help": [str(Path(sys.executable).with_name("rnnflow")), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_RUNS):
        for name, command in commands.items():
            seconds[name].append(seconds_of(command))
    for name, values in seconds.items():
        print(f"{name}: median of {_RUNS} runs {statistics.median(values):.3f} s")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio: {statistics.median(ratios):.1f}")


def seconds_of(command: list[str]) -> float:
    """Of a process that is silent, from its start to its end."""
    start = time.perf_counter()
    subprocess.run(
        command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - start
