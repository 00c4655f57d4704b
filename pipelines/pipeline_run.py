"""One run of the pipeline: it runs the stages, reports what they made, and records how it ended.

Every way to end is handled here: promoted, refused by the gate, stopped after a stage, failed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prefect.client.schemas.objects import State, StateType
from prefect.states import Completed

from components.artifacts.storage import partial_of, write_atomically
from components.artifacts.values import Decision
from components.errors import ClusterError, RnnflowError
from components.runtime.fingerprints import fingerprint
from components.workers.cluster import find_cluster
from components.workers.rendezvous import Chief
from pipelines.config import dump_config, load_config
from pipelines.console import StageLine, make_console
from pipelines.killed_runs import mark_killed_flow_runs
from pipelines.run_report import write_report
from pipelines.run_tracking import RunTracking, prefect_address
from pipelines.stage_records import metric_values, worker_logs
from pipelines.stages import Stage
from pipelines.work_directory import (
    CONFIG,
    ERROR,
    Outcome,
    StageOutcome,
    Status,
    WorkDirectory,
    new_run_id,
)
from pipelines.workers import outside_of_cluster, shown_output, with_workers

LOGGER = logging.getLogger("rnnflow")

EXIT_CODES: Mapping[Status, int] = {"promoted": 0, "done": 0, "refused": 3, "failed": 1}


class _StageReached(Exception):  # noqa: N818  (nothing went wrong)
    """The last stage that was asked for is done."""


class PipelineRun:
    """A context manager around the stages of one run.

    Args:
        config_path: the YAML file.
        work_dir: where artifacts and runs are.
        run_id: names the run; made from the time if it is empty.
        until: the last stage to run.
        rerun: a stage that runs even though it could be reused.
        workers: processes that train, instead of the config's ``training.workers``.

    Raises:
        UserError: the config or the cluster cannot be used, or another run holds the work
            directory.
    """

    def __init__(
        self,
        config_path: str,
        work_dir: str,
        run_id: str = "",
        *,
        until: str | None = None,
        rerun: str | None = None,
        workers: int | None = None,
    ) -> None:
        self._cluster = find_cluster(os.environ)
        if self._cluster and not self._cluster.is_chief:
            raise ClusterError(
                f"expected to be worker 0, which runs the pipeline, but this is worker "
                f"{self._cluster.index}: start it with `rnnflow run`, which makes it wait for "
                "worker 0."
            )
        self.config = with_workers(load_config(Path(config_path)), workers, self._cluster)
        self.work = WorkDirectory(Path(work_dir).resolve())
        self.run_id = run_id or new_run_id()
        self.directory = self.work.runs / self.run_id
        self.values: dict[str, Any] = {}
        self._until = until
        self._rerun = rerun
        self._stages: list[StageOutcome] = []
        self.chief: Chief | None = None
        self._console = make_console()
        self._held = contextlib.ExitStack()
        self._tracking: RunTracking
        self._current: Stage
        self._line: StageLine
        self._outcome: Outcome

    @property
    def mlflow_run_id(self) -> str | None:
        """The parent run in MLflow; None as long as the server is unreachable."""
        return self._tracking.mlflow_run_id

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as held:
            # First: all that follows takes for granted that no other run uses the directory.
            held.enter_context(self.work.lock(self.run_id))
            held.enter_context(outside_of_cluster())
            held.enter_context(shown_output(self._console))
            write_atomically(self.directory / CONFIG, dump_config(self.config))
            mark_killed_flow_runs(self.work.root)
            if self._cluster:
                self.chief = Chief(self.work.cluster / self._cluster.key, self._cluster)
            self._tracking = RunTracking(self.work, self.run_id, self.config)
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        with self._held:
            if error is None or isinstance(error, _StageReached):
                self._end(*self._verdict())
                self._dismiss_workers(wait_seconds=self.config.launch.worker_wait_seconds)
                return True
            write_atomically(self.directory / ERROR, "".join(traceback.format_exception(error)))
            # Before the outcome, whose tracking may wait for a server: other machines wait here.
            self._dismiss_workers(failure=_message(error))
            self._end("failed", _message(error), getattr(error, "exit_code", None))
            return False

    def stage(self, stage: Stage, *inputs: Any, **extras: Any) -> Any:
        """Runs one stage, or reuses what it made before from the same inputs, config and code.

        Args:
            stage: what to run.
            inputs: what it works on; they decide, with its code, whether it can be reused.
            extras: arguments that do not change what it makes.
        """
        name = stage.name
        artifact: Path | None = None
        if stage.code is not None:
            artifact = self.work.artifacts / name / fingerprint(stage.code, inputs)
            extras["directory"] = artifact
        self._tracking.stage_started(name)
        with StageLine(self._console, name) as line:
            self._current, self._line = stage, line
            state = self._call(stage, artifact, inputs, extras)
            value, reused = state.result(), state.name == "Cached"
            self.values[name] = value
            record = stage.record(value, self.config)
            self._tracking.stage_finished(name, record, reused)
            line.finish(record.summary, reused)
            path = str(artifact) if artifact else None
            self._stages.append(StageOutcome(name, record.summary, line.seconds, reused, path))
        if stage.dismisses_workers:
            self._dismiss_workers()
        if name == self._until:
            raise _StageReached
        return value

    def on_progress(self, history: Path, step: int, metrics: Mapping[str, float]) -> None:
        """Shows and tracks a new line of the training history."""
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        self._line.update(f"step {step:,} of {self.config.training.max_steps:,}, {shown}")
        self._tracking.log_new_history(self._current.name, history)

    def final_state(self) -> State[Any]:
        """Completed, or Refused: finished like any other run, but neither green nor red."""
        status, reason = self._outcome.status, self._outcome.reason
        if status == "refused":
            return State(type=StateType.CANCELLED, name="Refused", message=reason)
        return Completed(name="Promoted" if status == "promoted" else "Completed", message=reason)

    def _call(
        self,
        stage: Stage,
        artifact: Path | None,
        inputs: Iterable[Any],
        extras: Mapping[str, Any],
    ) -> State[Any]:
        if artifact and stage.name == self._rerun:
            # Without its directory an artifact has no cached result either. What an interrupted
            # build left goes too: a training would continue from it.
            for path in (artifact, partial_of(artifact)):
                shutil.rmtree(path, ignore_errors=True)
        task = stage.task.with_options(result_storage=self.work.artifacts)
        state: State[Any] = task(*inputs, return_state=True, **extras)
        if not state.is_completed():
            logs = worker_logs(partial_of(artifact)) if artifact else ()
            self._tracking.stage_failed(stage.name, logs)
            raise state.result(raise_on_failure=False)
        return state

    def _dismiss_workers(self, failure: str | None = None, wait_seconds: float = 0.0) -> None:
        """Lets the other workers of a cluster exit; waits for those that have not registered."""
        if self.chief is None:
            return
        missing = self.chief.dismiss("failed" if failure else "done", failure or "", wait_seconds)
        if missing and wait_seconds:
            LOGGER.warning(
                "%d workers did not register within %.0f s, so they do not know that the run is "
                "over. Stop them by hand.",
                missing,
                wait_seconds,
            )

    def _verdict(self) -> tuple[Status, str]:
        # A run up to a stage behind the gate, such as the export, says only that this was done.
        decision: Decision | None = self.values.get("decision")
        if decision is not None and self._until in (None, "decision") and not decision.promoted:
            return "refused", decision.reason
        if decision is not None and self._until is None:
            return "promoted", decision.reason
        return "done", f"Done up to {self._stages[-1].name}; nothing was promoted."

    def _end(self, status: Status, reason: str, exit_code: int | None = None) -> None:
        metrics = self.values.get("metrics")
        report: tuple[Path, ...] = ()
        try:
            report = write_report(self.run_id, self.directory, self.config, self.values)
        except Exception as error:
            # The run has its outcome, or its first error, whatever becomes of the page about it.
            LOGGER.warning("The report of run %s could not be written: %s", self.run_id, error)
        self._tracking.log_summary(metric_values(metrics) if metrics else {}, report)
        unsent = self._tracking.end(status, reason)
        self._outcome = Outcome(
            run_id=self.run_id,
            name=self.config.name,
            status=status,
            reason=reason,
            stages=tuple(self._stages),
            exit_code=EXIT_CODES[status] if exit_code is None else exit_code,
            metrics=metrics,
            decision=self.values.get("decision"),
            version=self.values.get("version"),
            mlflow_run_id=self.mlflow_run_id,
            tracking_uri=self.work.tracking_uri,
            prefect_url=prefect_address(),
            unsent_events=unsent,
        )
        self.work.save_outcome(self._outcome)


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, RnnflowError) else f"{type(error).__name__}: {text}"
