"""rnnflow on a data set as a user runs it: what `init` writes, untouched, up to the metrics."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.quality.rows import Rows
from components.artifacts.predictions import read_predictions
from components.runtime.subprocesses import tied
from pipelines.work_directory import WorkDirectory

_ELSEWHERE = ("MLFLOW_TRACKING_URI", "PREFECT_API_URL", "RNNFLOW_WORK_DIR", "TF_CONFIG")
"""What would take a run to somebody's servers, work directory or cluster."""


@dataclass(frozen=True)
class Trained:
    """One seed's model on the test rows."""

    labels: tuple[str, ...]
    """In the order of the test rows; empty where the run has no answer, which is wrong."""
    seconds: float
    """Of the training alone."""


def train(data: Path, test: Rows, seeds: range, scratch: Path) -> Iterator[Trained]:
    """Runs `rnnflow init`, and `rnnflow evaluate` for each seed, which stops before the gate.

    Args:
        data: the folder of train.jsonl and test.jsonl.
        test: the rows of test.jsonl.
        seeds: one model each; they share the examples.
        scratch: an empty folder for the config and the work directory.

    Raises:
        RuntimeError: a command failed; the message is the last of what it printed.
    """
    config, work = scratch / "config.yaml", WorkDirectory.at(scratch / "work")
    files = [str(data / "train.jsonl"), "--test", str(data / "test.jsonl")]
    _rnnflow("init", *files, "--output", str(config), "--name", data.name)
    for seed in seeds:
        options = ["--set", f"seed={seed}", "--work-dir", str(work.root)]
        _rnnflow("evaluate", str(config), *options)
        outcome = work.find_outcome(work.run_ids()[-1])
        assert outcome is not None, "a command that succeeded has left its outcome"
        assert outcome.metrics is not None, "the last stage of `evaluate` measures"
        table = read_predictions(Path(outcome.metrics.predictions_path))
        answers = dict(zip(table.ids, table.predicted, strict=True))
        seconds = sum(stage.seconds for stage in outcome.stages if stage.name == "model")
        yield Trained(tuple(answers.get(key, "") for key in test.ids), seconds)


def _rnnflow(*arguments: str) -> None:
    command = [str(Path(sys.executable).with_name("rnnflow")), *arguments]
    environment = {key: value for key, value in os.environ.items() if key not in _ELSEWHERE}
    # Tied, so that a benchmark that is killed leaves no training behind.
    done = subprocess.run(
        tied(command), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        last = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise RuntimeError(f"rnnflow {arguments[0]}: exit code {done.returncode}: {' '.join(last)}")
