"""How soon the command line answers, beside a Python that does nothing."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

_RUNS = 10


def run() -> None:
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "rnnflow --help": [str(Path(sys.executable).with_name("rnnflow")), "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(_RUNS):
        for name, command in commands.items():
            seconds[name].append(_seconds(command))
    for name, values in seconds.items():
        print(f"{name}: median of {_RUNS} runs {statistics.median(values):.3f} s")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio: {statistics.median(ratios):.1f}")


def _seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start
