"""Rows a second of CPU time, beside what a plain program and a plain Beam pipeline reach."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from benchmarks.preprocessing import rows as data
from benchmarks.processes.children import Children

ROWS: Final = 200_000
_SMALL: Final = 270
_WAYS: Final = ("plain", "rnnflow", "beam")
_WANTED_OF_PLAIN: Final = 0.75
_WANTED_OF_BEAM: Final = 2.5
_WANTED_GROWTH: Final = 1.3
_WANTED_FIXED_SECONDS: Final = 2.0


def run(rows: int = ROWS, times_as_many: int = 1) -> None:
    """Prints the time and the memory of each way.

    Args:
        rows: of the file.
        times_as_many: with more than 1, the memory that so many times the rows take is measured.
    """
    with tempfile.TemporaryDirectory(prefix="rnn-bench-") as folder:
        path = Path(folder) / "rows.jsonl"
        data.write(path, rows)
        size = path.stat().st_size
        print(f"{rows:,} rows of {size / rows:,.0f} bytes ({size / 1e6:,.0f} MB)", flush=True)
        found = {way: measure(way, path) for way in _WAYS}
        for way, one in found.items():
            cpu, wall = one["cpu_seconds"], one["seconds"]
            print(
                f"  {way:8} {cpu:6.1f} s CPU, {wall:6.1f} s: {rows / cpu:7,.0f} rows a second of "
                f"CPU, peak {one['peak_rss_bytes'] / 1e6:,.0f} MB"
            )
        cpu_seconds = {way: one["cpu_seconds"] for way, one in found.items()}
        of_plain = cpu_seconds["plain"] / cpu_seconds["rnnflow"]
        of_beam = cpu_seconds["beam"] / cpu_seconds["rnnflow"]
        print(f"  of plain: {of_plain:.2f} (wanted: {_WANTED_OF_PLAIN})")
        print(f"  of the Beam pipeline: {of_beam:.1f} (wanted: {_WANTED_OF_BEAM})", flush=True)
        data.write(path, _SMALL)
        fixed = min(one["cpu_seconds"] for one in windows("rnnflow", path, 3))
        print(f"  {_SMALL} rows: {fixed:.1f} s CPU (wanted: {_WANTED_FIXED_SECONDS})", flush=True)
        if times_as_many > 1:
            data.write(path, times_as_many * rows)
            more = measure("rnnflow", path)
            growth = more["peak_rss_bytes"] / found["rnnflow"]["peak_rss_bytes"]
            print(
                f"  {times_as_many * rows:,} rows: {more['cpu_seconds']:.1f} s CPU, peak "
                f"{more['peak_rss_bytes'] / 1e6:,.0f} MB: {growth:.2f} times that of {rows:,} "
                f"(wanted: {_WANTED_GROWTH})"
            )


def measure(way: str, path: Path) -> dict[str, Any]:
    """What one way takes for the rows of a file, the first time in its process."""
    return windows(way, path, 1)[0]


def windows(way: str, path: Path, count: int) -> list[dict[str, Any]]:
    """What one way takes for the rows of a file, several times in one process."""
    with Children() as children:
        child = children.start("benchmarks.preprocessing.child", {"way": way, "path": str(path)})
        child.answer()
        found = []
        for _ in range(count):
            child.begin()
            found.append(child.answer())
        return found


if __name__ == "__main__":
    run(*map(int, sys.argv[1:]))
