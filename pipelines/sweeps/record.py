"""What a sweep leaves in MLflow: a run of its own, and a nested one for each trial."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from optuna import Trial
from optuna.trial import FrozenTrial

from components.tracking.background_sender import SEND_DELAY_SECONDS, BackgroundSender
from components.tracking.owner import Owner
from components.tracking.tracker import (
    STATUS_TAG,
    SWEEP_KEY,
    SWEEP_TAG,
    WORK_DIR_TAG,
    Point,
    RunStatus,
    Tracker,
)
from components.tracking.values import NOTE_TAG
from pipelines.config import PipelineConfig, flatten
from pipelines.provenance import provenance_tags
from pipelines.sweeps.space import Space
from pipelines.sweeps.study import number_of
from pipelines.upkeep.past_sweeps import SweepStatus
from pipelines.work_directory import JOURNAL

_ENDS: Final[Mapping[SweepStatus, RunStatus]] = {
    "finished": "FINISHED",
    "failed": "FAILED",
    "interrupted": "KILLED",
}


class SweepRecord:
    """The runs in MLflow. With an unreachable server nothing is lost and nothing stops.

    Args:
        directory: of the sweep, whose journal goes on if the sweep does.
        tracking_uri: of MLflow.
        config: what is the same for all trials.
        space: what varies.
        metric: by which trials are compared.
        owner: this process, by which the next start tells whether it was killed.
    """

    def __init__(
        self,
        directory: Path,
        tracking_uri: str,
        config: PipelineConfig,
        space: Space,
        metric: str,
        owner: Owner,
    ) -> None:
        self._space, self._metric, self._name = space, metric, directory.name
        self._sender = BackgroundSender(self._send, SEND_DELAY_SECONDS)
        self._tracker = Tracker(
            directory / JOURNAL, tracking_uri, config.name, self._sender.request
        )
        self._going_on: set[str] = set()
        """The keys of the trials that train."""
        tags = {
            WORK_DIR_TAG: str(directory.parent.parent),
            **owner.tags(),
            SWEEP_TAG: directory.name,
            STATUS_TAG: "running",
            **provenance_tags(),
        }
        self._tracker.start_run(SWEEP_KEY, f"sweep {directory.name}", None, {**config.tags, **tags})
        fixed = flatten(config)
        for path in space.distributions:
            fixed = {
                name: value
                for name, value in fixed.items()
                if name != path and not name.startswith(f"{path}.")
            }
        varied = {f"sweep.{path}": words for path, words in space.describe().items()}
        self._tracker.log_params(SWEEP_KEY, {**fixed, **varied})

    def trial_started(self, number: int, trial: Trial) -> None:
        """Opens the nested run of a trial, whose parameters are what varies."""
        key, name = _key(number), f"trial {number}"
        self._tracker.start_run(key, name, SWEEP_KEY, {SWEEP_TAG: self._name})
        self._going_on.add(key)
        settings = (setting.partition("=") for setting in self._space.settings(trial.params))
        self._tracker.log_params(key, {path: value for path, _, value in settings})

    def log_history(self, number: int, history: Path) -> None:
        """Logs the new lines of its history."""
        self._tracker.log_new_history(_key(number), history)

    def trial_ended(self, number: int, trial: FrozenTrial, history: Path, reason: str) -> None:
        """Ends its run: with its best value, or with the reason why it has none."""
        key = _key(number)
        self._tracker.log_new_history(key, history)
        if trial.value is not None:
            now = time.time_ns() // 1_000_000
            name = f"chosen/{self._metric}"
            self._tracker.log_metrics(key, [Point(name, trial.value, 0, now)])
        state = trial.state.name.lower()
        status: RunStatus = "FAILED" if state == "fail" else "FINISHED"
        note = {NOTE_TAG: reason} if reason else {}
        # A trial that goes on where it was killed has the word of that.
        self._tracker.end_run(key, status, {"rnnflow.trial": state, STATUS_TAG: state, **note})
        self._going_on.discard(key)

    def log_files(self, files: Iterable[Path]) -> None:
        """Uploads files to the run of the sweep."""
        for path in files:
            self._tracker.log_artifact(SWEEP_KEY, path)

    def beat(self) -> None:
        """Tells the server that this sweep is alive; raises whatever the server does."""
        self._tracker.beat(SWEEP_KEY)

    def end(
        self, status: SweepStatus, best: FrozenTrial | None = None, run_id: str | None = None
    ) -> None:
        """Ends the run of the sweep, with what it found, and those of trials that were ended."""
        for key in sorted(self._going_on):
            self._tracker.end_run(key, "KILLED", {STATUS_TAG: "interrupted"})
        tags = {STATUS_TAG: str(status)}
        if best is not None:
            settings = "\n".join(f"- `{each}`" for each in self._space.settings(best.params))
            tags[NOTE_TAG] = (
                f"Best: trial {number_of(best)}, {self._metric} {best.value}\n\n{settings}"
            )
            tags["rnnflow.best_trial"] = str(number_of(best))
            if run_id is not None:
                tags["rnnflow.best_run"] = run_id
                tags[NOTE_TAG] += f"\n\nHeld against the gate in run {run_id}."
        self._tracker.end_run(SWEEP_KEY, _ENDS[status], tags)
        self._sender.close()
        self._tracker.flush()

    def _send(self) -> None:
        self._tracker.send()


def _key(number: int) -> str:
    return f"trial-{number}"
