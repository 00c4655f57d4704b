"""Makes the goldens with TensorFlow 2.15: run by ``make goldens``, in that environment.

For each case: a ``model_dir`` of a few steps; what evaluation and prediction give there; and all
variables, and the evaluation, after more steps. For one case also which event files were written.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tests.parity import cases, theirs
from tests.parity.cases import Case
from tests.parity.golden_files import (
    AFTER_MORE_STEPS,
    AT_START,
    EVENTS,
    FOLDER,
    MODEL_DIR,
    VERSIONS,
)
from tests.parity.measurement import (
    evaluation,
    event_histograms,
    event_tags,
    predictions,
    variables,
)


def make(case: Case, work: Path) -> None:
    """Writes the folder of one case."""
    folder = FOLDER / case.name
    folder.mkdir(parents=True)
    estimator = theirs.estimator(case, work)
    estimator.train(cases.train_input(tf, case), steps=cases.STEPS)
    _copy_checkpoint(work, folder / MODEL_DIR)
    # Any: to mypy, ** may also give numpy's own argument, a bool.
    start: dict[str, Any] = evaluation(tf, estimator, case) | predictions(tf, estimator, case)
    np.savez_compressed(folder / AT_START, **start)
    estimator.train(cases.train_input(tf, case), steps=cases.MORE_STEPS)
    end: dict[str, Any] = evaluation(tf, estimator, case) | variables(estimator)
    np.savez_compressed(folder / AFTER_MORE_STEPS, **end)


def _copy_checkpoint(model_dir: Path, to: Path) -> None:
    to.mkdir()
    for path in (model_dir / "checkpoint", *model_dir.glob("model.ckpt-*")):
        if path.suffix != ".meta":
            shutil.copy(path, to)


def events(case: Case, work: Path) -> dict[str, Any]:
    """Tags by step and by directory, of two trainings and evaluations, and the histograms."""
    estimator = theirs.estimator(case, work, save_summary_steps=2, log_step_count_steps=2)
    for steps in (cases.STEPS, cases.MORE_STEPS):
        estimator.train(cases.train_input(tf, case), steps=steps)
        estimator.evaluate(cases.evaluate_input(tf, case))
        estimator.evaluate(cases.evaluate_input(tf, case), name="again")
    return {
        "tags": {name: event_tags(tf, work / name) for name in (".", "eval", "eval_again")},
        "histograms": event_histograms(tf, work),
    }


def main() -> None:
    """All goldens anew."""
    for case_folder in filter(Path.is_dir, FOLDER.glob("*")):
        shutil.rmtree(case_folder)
    for case in cases.CASES:
        print(case.name, flush=True)
        with tempfile.TemporaryDirectory() as work:
            make(case, Path(work))
    with tempfile.TemporaryDirectory() as work:
        EVENTS.write_text(json.dumps(events(cases.EVENTS_CASE, Path(work)), indent=1) + "\n")
    VERSIONS.write_text(json.dumps(theirs.versions(), indent=1) + "\n")


if __name__ == "__main__":
    main()
