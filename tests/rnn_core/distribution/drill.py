"""A training that is killed again and again, at random: ``make drill-training``.

    python -m tests.rnn_core.distribution.drill [--kills 100] [--workers 2] [--seed 0]

It must end with the variables, bit for bit, and the event values of one that was left alone.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from rnn_core.storage import checkpoints
from rnn_core.storage.summaries import read_events
from tests.rnn_core.distribution import clusters
from tests.rnn_core.samples import same_bits

_STEPS_A_KILL = 12
_LIMIT_SECONDS = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # As an exception, which ends the workers and removes their files.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    steps = _STEPS_A_KILL * (options.kills + 1)
    with tempfile.TemporaryDirectory() as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        clusters.run(whole, {"worker": options.workers}, "training_program", _job(whole, steps))
        _run_with_kills(killed, steps, options.kills, options.workers, options.seed)
        sys.exit(0 if _are_equal(whole, killed, steps) else 1)


def _job(root: Path, steps: int, **more: float) -> list[str]:
    return [json.dumps({"model_dir": str(root / "model"), "steps": steps, **more})]


def _run_with_kills(root: Path, steps: int, kills: int, workers: int, seed: int) -> None:
    dice = random.Random(seed)
    for kill in range(kills):
        cluster = clusters.addresses({"worker": workers})
        arguments = _job(root, steps, step_seconds=0.02)
        with clusters.running(
            root / f"logs-{kill}", cluster, "training_program", arguments
        ) as tasks:
            struck = dice.choice(sorted(tasks))
            number = dice.choice([signal.SIGKILL] * 3 + [signal.SIGTERM])
            tasks[struck].wait_for("step ", _LIMIT_SECONDS)
            time.sleep(dice.uniform(0, 0.6))
            tasks[struck].signal(number)
            statuses = [task.wait(_LIMIT_SECONDS) for task in tasks.values()]
        at = checkpoints.newest_intact(str(root / "model"))
        print(f"{kill + 1}: {struck} {number.name}, exits {statuses}, newest {at}", flush=True)
    clusters.run(root / "last", {"worker": workers}, "training_program", _job(root, steps))


def _are_equal(whole: Path, killed: Path, steps: int) -> bool:
    name = f"model/model.ckpt-{steps}"
    one, other = (checkpoints.read(str(root / name)) for root in (whole, killed))
    weights = same_bits(one, other)
    expected, found = _events(whole), _events(killed)
    unequal = [step for step in expected | found if expected.get(step) != found.get(step)]
    print(
        f"variables and slots equal bit for bit: {weights}; event values equal: {not unequal}"
        + (f", but from step {min(unequal)} on" if unequal else "")
    )
    return weights and not unequal


def _events(root: Path) -> dict[int, dict[str, float]]:
    found = read_events(str(root / "model"))
    return {
        step: {tag: value for tag, value in values.items() if tag != "global_step/sec"}
        for step, values in found.items()
    }


if __name__ == "__main__":
    main()
