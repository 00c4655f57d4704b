"""Makes rows with a label at each step: .venv/bin/python examples/make_activities.py

A row is a walk in the park with a watch on the wrist: every few seconds how strongly the arm moves,
how fast it swings, and the pulse, which follows late. Each step has a label: rest, walk, run or
cycle. The numbers are drawn, and so noisy that one step alone seldom tells what it is.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

OUTPUT: Final = Path(__file__).with_name("activities.jsonl")
# Mean strength of the movement, swings a second, and where the pulse goes.
ACTIVITIES: Final = {
    "rest": (0.1, 0.2, 65.0),
    "walk": (0.6, 0.9, 95.0),
    "run": (1.4, 1.4, 150.0),
    "cycle": (0.3, 0.6, 130.0),
}


def make_rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Rows of 30 to 90 steps, in segments of 6 to 25 steps of one activity."""
    draw = random.Random(seed)
    for number in range(count):
        labels: list[str] = []
        steps = draw.randint(30, 90)
        while len(labels) < steps:
            others = [name for name in ACTIVITIES if not labels or name != labels[-1]]
            labels += [draw.choice(others)] * draw.randint(6, 25)
        labels = labels[:steps]
        pulse, motion, swings, pulses = 70.0, [], [], []
        for label in labels:
            strength, swing, goal = ACTIVITIES[label]
            pulse += 0.15 * (goal - pulse)
            motion.append(round(strength + draw.gauss(0, 0.35), 3))
            swings.append(round(swing + draw.gauss(0, 0.35), 3))
            pulses.append(round(pulse + draw.gauss(0, 4)))
        yield {
            "id": f"walk-{number:04}",
            "label": labels,
            "sequence": {"motion": motion, "swings": swings, "pulse": pulses},
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes rows with a label at each step.")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=400, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    arguments = parser.parse_args()
    rows = make_rows(arguments.rows, arguments.seed)
    arguments.output.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    print(f"{arguments.output}: {arguments.rows:,} rows")


if __name__ == "__main__":
    main()
