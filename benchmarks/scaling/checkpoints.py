"""What checkpoints cost a training that goes on while they are written.

LSTM [128] on one core, on which the checkpoints are written too: no other core does that work for
the training.
"""

from __future__ import annotations

import statistics
from typing import Final

from benchmarks.processes.children import Children, interleaved, ready

EVERY_STEPS: Final = (None, 100, 20)
BOUND_PERCENT: Final = {100: 2.0}
_WINDOW_STEPS: Final = 200


def run(rounds: int = 9) -> None:
    """Prints how much slower training is with checkpoints than without, in interleaved windows."""
    print(f"LSTM [128], stock operations, one core; medians of {rounds} rounds")
    with Children() as children:
        trainings = {
            _name(every): [
                children.start(
                    "benchmarks.scaling.train_child",
                    {
                        "core": 0,
                        "units": 128,
                        "window_steps": _WINDOW_STEPS,
                        "save_checkpoints_steps": every,
                    },
                )
            ]
            for every in EVERY_STEPS
        }
        ready([child for group in trainings.values() for child in group])
        taken = interleaved(trainings, rounds)
    without = taken[_name(None)]
    for every in EVERY_STEPS:
        own = taken[_name(every)]
        slower = [100 * (b / a - 1) for a, b in zip(without, own, strict=True)]
        bound = f"  (bound: at most {BOUND_PERCENT[every]:.0f} %)" if every in BOUND_PERCENT else ""
        print(
            f"  {_name(every):24} {1e3 * statistics.median(own) / _WINDOW_STEPS:6.2f} ms a step, "
            f"slower by {statistics.median(slower):5.1f} %  "
            f"[{min(slower):.1f}, {max(slower):.1f}]{bound}",
            flush=True,
        )


def _name(every: int | None) -> str:
    return "no checkpoints" if every is None else f"one every {every} steps"
