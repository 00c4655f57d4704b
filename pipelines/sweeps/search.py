"""The search of a sweep: trains one trial after the other, or some at a time, and compares them."""

from __future__ import annotations

import dataclasses
import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Literal

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from components.artifacts.history import HISTORY, HistoryPoint, read_history, series
from components.artifacts.storage import partial_of
from components.artifacts.values import Examples
from components.config import EARLY_STOPPING_METRICS, TrainingConfig
from components.data.statistics import read_statistics
from components.errors import StorageError, TrainingError
from components.tracking.owner import Owner
from components.training.job import FINAL_ERRORS
from components.training.steps import steps_of
from pipelines.config import PipelineConfig, load_config
from pipelines.console import printable
from pipelines.sweeps.record import SweepRecord
from pipelines.sweeps.space import Space
from pipelines.sweeps.study import BUCKETS, Study, number_of
from pipelines.sweeps.trial import MODEL, TrialJob, TrialProcess
from pipelines.upkeep.past_sweeps import DATABASE, SweepState, SweepStatus, save_state

_POLL_SECONDS: Final = 0.2
_FIRST_FAILURES: Final = 3
"""If so many trials fail before any has succeeded, what they share is the reason."""


@dataclasses.dataclass
class _Running:
    """A trial that trains now."""

    trial: optuna.Trial
    number: int
    process: TrialProcess
    directory: Path
    training: TrainingConfig
    settings: list[str]
    end: int
    """Its last step at the latest."""
    began: float = dataclasses.field(default_factory=time.monotonic)
    bucket: int = -1
    """The last moment at which it was compared with others."""


class Search:
    """The trials of one sweep.

    Args:
        path: of the config file.
        settings: ``KEY=VALUE``, which hold in every trial.
        space: what varies.
        directory: of the sweep; its name names the study.
        trials: how many there are in the end.
        tracking_uri: of MLflow.
        owner: this process, which holds the lock of the sweep.
        examples_of: makes the examples of a trial, from its settings.
        console: gets a line a trial.
    """

    def __init__(
        self,
        path: Path,
        settings: Sequence[str],
        space: Space,
        directory: Path,
        trials: int,
        tracking_uri: str,
        owner: Owner,
        examples_of: Callable[[Sequence[str]], Examples],
        console: Console,
    ) -> None:
        self._path, self._settings, self._space = path, settings, space
        self._directory, self._examples_of, self._console = directory, examples_of, console
        self._trials = trials
        self.config: PipelineConfig = load_config(path, settings)
        self.metric = f"validation/{self.config.training.early_stopping_metric}"
        self._sign = EARLY_STOPPING_METRICS[self.config.training.early_stopping_metric]
        direction: Literal["minimize", "maximize"] = "maximize" if self._sign > 0 else "minimize"
        database = directory.parent / DATABASE
        self.study = Study(database, directory.name, space, direction, self.config.seed, trials)
        self._own = space.values_of(self.config)
        if self._own is not None:
            # What it was before the sweep is the measure of what the sweep gains.
            self.study.try_first(self._own)
        self.record = SweepRecord(directory, tracking_uri, self.config, space, self.metric, owner)
        self._save("running")

    def run(self, parallel: int) -> None:
        """Trains until there is nothing more to try.

        Raises:
            TrainingError: the first trials failed.
            StorageError: a trial could not write.
        """
        known = len(self.study.finished)
        self._console.print(
            f"[bold]sweep[/] {self._directory.name}  {self.metric}, "
            f"{self._trials} trials{f', {known} of them are there' if known else ''}",
            highlight=False,
        )
        running: list[_Running] = []
        is_exhausted = False
        try:
            while True:
                # Asked once too often, and not at every look at the trials that still run.
                while len(running) < parallel and not is_exhausted:
                    trial = self.study.next_trial(len(running))
                    if trial is None:
                        is_exhausted = True
                    else:
                        running.append(self._start(trial))
                        self._save("running", len(running))
                if not running:
                    return
                time.sleep(_POLL_SECONDS)
                before = len(running)
                running = [each for each in running if not self._has_ended(each)]
                if len(running) < before:
                    self._save("running", len(running))
        finally:
            for each in running:
                each.process.stop(self.config.launch.grace_seconds)

    def end(
        self, status: SweepStatus, best: FrozenTrial | None = None, run_id: str | None = None
    ) -> None:
        """Says in MLflow, then on disk, how the sweep ended."""
        self.record.end(status, best, run_id)
        self._save(status)

    def _save(self, status: SweepStatus, running: int = 0) -> None:
        trials = self.study.finished
        failed = sum(trial.state == TrialState.FAIL for trial in trials)
        best = self.study.best
        save_state(
            self._directory,
            SweepState(
                self.config.name, status, self.metric, self._trials, len(trials) - failed, failed,
                running, None if best is None else best.value,
            ),
        )  # fmt: skip

    @property
    def own(self) -> FrozenTrial | None:
        """The trial with the config's own settings; None if there is none."""
        return next((each for each in self.study.finished if each.params == self._own), None)

    def curve(self, trial: FrozenTrial) -> tuple[list[int], list[float]]:
        """The steps at which a trial was evaluated, and the metric."""
        return self._curve(read_history(self._folder(number_of(trial)) / HISTORY))

    def _start(self, trial: optuna.Trial) -> _Running:
        varied = self._space.settings(trial.params)
        settings = [*self._settings, *varied]
        config = load_config(self._path, settings)
        # The first fit is what is compared; what follows it is for the model that is kept.
        training = dataclasses.replace(
            config.training, refit=False, temperature_scaling=False, ensemble_size=1
        )
        examples = self._examples_of(settings)
        job = TrialJob(examples, config.model, training, config.seed, config.launch)
        rows = read_statistics(Path(examples.path))["rows"]["train"]
        number = self.study.number(trial)
        directory = self._folder(number)
        self.record.trial_started(number, trial)
        process = TrialProcess(job, directory)
        end = steps_of(training, rows).end
        return _Running(trial, number, process, directory, training, varied, end)

    def _folder(self, number: int) -> Path:
        return self._directory / f"{number:04d}"

    def _has_ended(self, running: _Running) -> bool:
        """Reports what is new of a trial, and how it ended if it has."""
        status = running.process.exit_status()
        curve = self._curve(running.process.points())
        self.record.log_history(running.number, running.process.history)
        if status is None:
            if not self._is_hopeless(running, *curve):
                return False
            running.process.stop(self.config.launch.grace_seconds)
            self.study.prune(running.trial)
            self._end(running)
        elif status == 0 and curve[1]:
            self.study.complete(running.trial, self._value(running, curve[1]))
            self._end(running)
        else:
            reason = running.process.error()
            if FINAL_ERRORS.get(status) is StorageError:
                raise StorageError(reason)
            self.study.fail(running.trial, reason)
            self._end(running, reason)
            if self.study.best is None and len(self.study.finished) == _FIRST_FAILURES:
                raise TrainingError(
                    f"the first {_FIRST_FAILURES} trials failed. The last one: {reason}"
                )
        return True

    def _is_hopeless(self, running: _Running, steps: list[int], values: list[float]) -> bool:
        """Whether the study has it ended, by what is new of its curve."""
        buckets = [min(BUCKETS - 1, step * BUCKETS // running.end) for step in steps]
        if not buckets or buckets[-1] <= running.bucket:
            return False
        # A moment without an evaluation has the value of the one before.
        for bucket in range(max(running.bucket + 1, buckets[0]), buckets[-1] + 1):
            seen = [value for at, value in zip(buckets, values, strict=True) if at <= bucket]
            running.trial.report(self._value(running, seen), bucket)
        running.bucket = buckets[-1]
        return running.trial.should_prune()

    def _value(self, running: _Running, values: Sequence[float]) -> float:
        """The metric at the checkpoint that would be the model."""
        if running.training.checkpoint == "last":
            return values[-1]
        return self._sign * max(self._sign * value for value in values)

    def _end(self, running: _Running, reason: str = "") -> None:
        # What it learned is not kept: the best is trained again, with the refit of the config.
        kept = running.directory / HISTORY
        if running.process.history.is_file():
            shutil.copyfile(running.process.history, kept)
        trial = next(each for each in self.study.finished if each.number == running.trial.number)
        self.record.trial_ended(running.number, trial, kept, reason)
        for path in (running.directory / MODEL, partial_of(running.directory / MODEL)):
            shutil.rmtree(path, ignore_errors=True)
        seconds = time.monotonic() - running.began
        line = f"  trial {running.number:<4} {result_of(trial):>8}  {'  '.join(running.settings)}"
        self._console.print(f"{line}  {seconds:.0f} s", markup=False, highlight=False)
        if reason:
            self._console.print(f"             {printable(reason)}", markup=False, highlight=False)

    def _curve(self, points: tuple[HistoryPoint, ...]) -> tuple[list[int], list[float]]:
        steps, values = series(points, self.metric)
        worst = -self._sign * math.inf
        return steps, [value if math.isfinite(value) else worst for value in values]


def result_of(trial: FrozenTrial) -> str:
    """The value of a trial, or why it has none, as it is shown."""
    if trial.state == TrialState.COMPLETE:
        return f"{trial.value:.4f}"
    return "pruned" if trial.state == TrialState.PRUNED else "failed"
