"""`python -m benchmarks [accuracy|startup]`; both without an argument."""

from __future__ import annotations

import sys

from benchmarks import accuracy, startup

BENCHMARKS = {"startup": startup.run, "accuracy": lambda: accuracy.run(range(1, 6))}


def main() -> None:
    for name in sys.argv[1:] or BENCHMARKS:
        if name not in BENCHMARKS:
            sys.exit(f"unknown benchmark {name!r}: choose from {', '.join(BENCHMARKS)}")
        print(f"== {name}", flush=True)
        BENCHMARKS[name]()


if __name__ == "__main__":
    main()
