"""rnn_core trains every case a few steps and leaves the model_dirs for ``take_over`` to go on with.

Run by ``make goldens`` in the project's environment, with the directory to leave them in.
"""

from __future__ import annotations

import json
import platform
import shutil
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.parity import cases, ours
from tests.parity.cases import Case
from tests.parity.golden_files import AFTER_MORE_STEPS, AT_START, MODEL_DIR
from tests.parity.measurement import evaluation, predictions, variables


def hand_over(case: Case, folder: Path) -> None:
    """Leaves a model_dir and what is to be measured there, now and after more steps."""
    here = folder / "continued_here"
    estimator = ours.estimator(case, here)
    estimator.train(cases.train_input(tf, case), steps=cases.STEPS)
    shutil.copytree(here, folder / MODEL_DIR)
    # Any: to mypy, ** may also give numpy's own argument, a bool.
    start: dict[str, Any] = evaluation(tf, estimator, case) | predictions(tf, estimator, case)
    np.savez_compressed(folder / AT_START, **start)
    estimator.train(cases.train_input(tf, case), steps=cases.STEPS_BACK)
    end: dict[str, Any] = variables(estimator)
    np.savez_compressed(folder / AFTER_MORE_STEPS, **end)


def versions() -> dict[str, str]:
    """What the numbers depend on."""
    return {
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "numpy": np.__version__,
    }


def main(work: Path) -> None:
    """All cases, each in a folder of its name, and the versions."""
    for case in cases.CASES:
        print(case.name, flush=True)
        hand_over(case, work / case.name)
    (work / "versions.json").write_text(json.dumps(versions()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
