"""One trial of a sweep: a training in a process of its own, watched through its history.

    python -m pipelines.sweeps.trial JOB

It trains in the directory of JOB, from its last checkpoint on if it was killed before.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from components.artifacts.history import HISTORY, HistoryPoint, read_history
from components.artifacts.storage import partial_of, write_atomically
from components.artifacts.values import Examples
from components.config import LaunchConfig, ModelConfig, TrainingConfig
from components.errors import RnnflowError
from components.runtime.libraries import load_tensorflow, quiet_libraries
from components.runtime.subprocesses import child_environment, tied
from components.training.job import status_of

JOB = "job.json"
LOG = "log.txt"
MODEL = "model"
_ERROR = "error: "


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class TrialJob:
    """What is trained on what."""

    examples: Examples
    model: ModelConfig
    training: TrainingConfig
    seed: int
    launch: LaunchConfig


_JOBS = TypeAdapter(TrialJob)


class TrialProcess:
    """The process of a trial, which ends with this one.

    Args:
        job: what it trains.
        directory: of the trial: job, log, history and, while it trains, checkpoints.
    """

    def __init__(self, job: TrialJob, directory: Path) -> None:
        self._model = directory / MODEL
        self._log = directory / LOG
        file = directory / JOB
        write_atomically(file, _JOBS.dump_json(job, indent=2))
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                tied([sys.executable, "-m", "pipelines.sweeps.trial", str(file)]),
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                env=child_environment(),
                # Ctrl-C is for the sweep, which ends its trials.
                start_new_session=True,
            )  # fmt: skip

    @property
    def history(self) -> Path:
        """Where it is now: its directory gets another name when the model is finished."""
        places = (self._model / HISTORY, partial_of(self._model) / HISTORY)
        return next((path for path in places if path.is_file()), places[0])

    def points(self) -> tuple[HistoryPoint, ...]:
        """The history so far, with what it wrote before it was killed."""
        try:
            return read_history(self.history)
        except FileNotFoundError:  # it was finished between the two
            return read_history(self.history)

    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def error(self) -> str:
        """Why it ended without a model, in one line."""
        lines = self._log.read_text(errors="replace").splitlines() if self._log.is_file() else []
        for line in reversed(lines):
            if line.startswith(_ERROR):
                return line.removeprefix(_ERROR)
        status = self._process.returncode
        how = f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
        return f"its process ended with {how}; see {self._log}"

    def stop(self, grace_seconds: float) -> None:
        """Ends it, with the time to write a checkpoint."""
        self._process.terminate()
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def main(job_path: str) -> int:
    """Trains, and returns the exit status."""
    logging.basicConfig(stream=sys.stdout, format="%(message)s")
    load_tensorflow()
    file = Path(job_path)
    job = _JOBS.validate_json(file.read_bytes())
    with quiet_libraries():
        # Imported here, after TensorFlow was loaded without its messages.
        from components.training.train import train_model

        try:
            train_model(
                job.examples, job.model, job.training, job.seed,
                directory=file.parent / MODEL, launch=job.launch,
            )  # fmt: skip
        except RnnflowError as error:
            print(_ERROR + " ".join(str(error).split()), flush=True)
            return status_of(error)
    return os.EX_OK


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
