"""TensorFlow 2.15 goes on from the model_dirs of ``hand_over``; the differences are recorded.

Run by ``make goldens`` in that environment, with the directory that ``hand_over`` filled.
"""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.parity import cases, theirs
from tests.parity.cases import Case
from tests.parity.golden_files import AFTER_MORE_STEPS, AT_START, MODEL_DIR, REVERSE
from tests.parity.measurement import differences, evaluation, predictions, variables


def take_over(case: Case, folder: Path) -> dict[str, float]:
    """The largest difference of each kind; all that is measured must be on both sides.

    Two digits: the rest is how a processor adds up.
    """
    estimator = theirs.estimator(case, folder / MODEL_DIR)
    start = evaluation(tf, estimator, case) | predictions(tf, estimator, case)
    before = variables(estimator)
    estimator.train(cases.train_input(tf, case), steps=cases.STEPS_BACK)
    apart = differences(dict(np.load(folder / AT_START)), start)
    apart |= differences(dict(np.load(folder / AFTER_MORE_STEPS)), variables(estimator), before)
    kinds = sorted({name.split("/")[0] for name in apart})
    return {
        kind: float(f"{max(v for name, v in apart.items() if name.startswith(f'{kind}/')):.1e}")
        for kind in kinds
    }


def record(found: dict[str, Any]) -> None:
    """Writes what was found, with the day; what was found before keeps its day."""
    before = json.loads(REVERSE.read_text())
    if {**before, **found} == before:
        return
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    REVERSE.write_text(json.dumps({"date": today, **found}, indent=1) + "\n")


def main(work: Path) -> None:
    """All cases, into one file."""
    found: dict[str, Any] = {}
    for case in cases.CASES:
        print(case.name, flush=True)
        found[case.name] = take_over(case, work / case.name)
    record(
        {
            "ours": json.loads((work / "versions.json").read_text()),
            "theirs": theirs.versions(),
            "differences": found,
        }
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
