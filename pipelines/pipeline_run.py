"""One run of the pipeline: it runs the stages, reports what they made, and records how it ended.

Every way to end is handled here: promoted, refused by the gate, stopped after a stage, failed,
interrupted by a person.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from prefect.client.schemas.objects import State
from prefect.exceptions import TerminationSignal
from prefect.runtime import flow_run
from prefect.states import Cancelled

from components.artifacts.storage import partial_of, write_atomically
from components.artifacts.values import Decision
from components.errors import BusyError, ClusterError, RnnflowError, ServerAwayError
from components.runtime.fingerprints import code_digest, fingerprint
from components.tracking.owner import Owner
from components.workers.cluster import find_cluster
from components.workers.rendezvous import Chief
from pipelines.config import PipelineConfig, dump_config
from pipelines.console import StageLine, make_console
from pipelines.notifications import notify
from pipelines.run_report import write_report
from pipelines.run_tracking import RunTracking, name_flow_run, prefect_address
from pipelines.servers.patience import PATIENCE
from pipelines.stage_records import training_notes, worker_logs
from pipelines.stages import OutcomeField, Stage
from pipelines.upkeep.ending import keep_within_limits
from pipelines.upkeep.heartbeat import heartbeat
from pipelines.upkeep.killed_runs import (
    beat_flow_run,
    claim_flow_run,
    final_state,
    mark_killed_flow_runs,
)
from pipelines.upkeep.leftovers import find_leftovers, remove, temporary_directory
from pipelines.work_directory import (
    ARTIFACTS,
    CONFIG,
    ERROR,
    Outcome,
    StageOutcome,
    Status,
    WorkDirectory,
    new_run_id,
)
from pipelines.workers import outside_of_cluster, shown_output

LOGGER = logging.getLogger("rnnflow")

EXIT_CODES: Mapping[Status, int] = {
    "promoted": 0,
    "proposed": 0,
    "unchanged": 0,
    "done": 0,
    "refused": 3,
    "failed": 1,
}

PROGRESS_SECONDS = 60.0
"""Between two lines about a training in Prefect's log: a night of training has some 500."""


# An exception, so that the flow reads as the list of its stages: it ends the flow's block, and
# `PipelineRun.__exit__` takes it for what it is.
class _StageReached(Exception):  # noqa: N818  (nothing went wrong)
    """The last stage that was asked for is done."""


class PipelineRun:
    """A context manager around the stages of one run.

    Args:
        config: of this run.
        work: where artifacts and runs are.
        run_id: names the run; made from the time if it is empty.
        until: the last stage to run.
        rerun: a stage that runs even though it could be reused.

    Raises:
        UserError: the cluster cannot be used, or another run holds the work directory.
    """

    def __init__(
        self,
        config: PipelineConfig,
        work: WorkDirectory,
        run_id: str = "",
        *,
        until: str | None = None,
        rerun: str | None = None,
    ) -> None:
        self._cluster = find_cluster(os.environ)
        if self._cluster and not self._cluster.is_chief:
            raise ClusterError(
                f"expected to be worker 0, which runs the pipeline, but this is worker "
                f"{self._cluster.index}: start it with `rnnflow run`, which makes it wait for "
                "worker 0."
            )
        self.config = config
        self.work = work
        self.run_id = run_id or new_run_id()
        self.directory = self.work.runs / self.run_id
        self.values: dict[str, Any] = {}
        """What the stages returned, by their names, for the report."""
        self._code: dict[str, str] = {}
        """Digests of the code of the stages that are cached by it."""
        self.chief: Chief | None = None
        self._until = until
        self._rerun = rerun
        self._stages: list[StageOutcome] = []
        self._contributions: dict[OutcomeField, Any] = {}
        self._console = make_console()
        self._held = contextlib.ExitStack()
        self._owner: Owner
        self._next_progress = 0.0
        self._obstacle: BusyError | None = None
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
            PATIENCE.begin(self.config.launch.server_wait_seconds)
            held.callback(PATIENCE.end)
            with contextlib.suppress(ServerAwayError), PATIENCE.without_waiting():
                name_flow_run(f"{self.config.name} {self.run_id}")
            # All that follows takes for granted that no other run uses the directory.
            try:
                self._owner = held.enter_context(self.work.lock(self.run_id))
            except BusyError as error:
                self._obstacle = error
                raise
            for path in find_leftovers(self.work):
                remove(path)
            held.enter_context(temporary_directory(self.work.temporary / self.run_id))
            held.enter_context(outside_of_cluster())
            held.enter_context(shown_output(self._console))
            # This file makes the directory a run: `status` shows it even if it is killed at once.
            write_atomically(self.directory / CONFIG, dump_config(self.config))
            # Prefect may be away now; others than this run need these records.
            with contextlib.suppress(ServerAwayError), PATIENCE.without_waiting():
                claim_flow_run(self._owner, self.config.name)
                mark_killed_flow_runs(self._owner, self.config.name, work=self.work)
            if self._cluster:
                self.chief = Chief(self.work.cluster / self._cluster.key, self._cluster)
            self._tracking = RunTracking(self.work, self.run_id, self.config, self._owner)
            beat_prefect = functools.partial(beat_flow_run, UUID(str(flow_run.id)))
            held.enter_context(heartbeat(self._tracking.beat, beat_prefect))
            # Only now: whatever fails above frees the lock when this block ends.
            self._held = held.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        with self._held:
            if error is not None and not isinstance(error, Exception):
                PATIENCE.hurry()
            if error is None or isinstance(error, _StageReached):
                self._end(*self._verdict())
                # This worker may have reused the model, before the others have even started.
                self._dismiss_workers(wait_seconds=self.config.launch.worker_wait_seconds)
                return True
            if signal_number := _interruption(error):
                # No cause to look for, and nothing for Prefect to report as a crash: the flow ends
                # in the state of its outcome.
                reason = _INTERRUPTED[signal_number]
                self._dismiss_workers(failure=reason)
                self._end("interrupted", reason, 128 + signal_number)
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
        artifact: Path | None = None
        if stage.code is not None:
            artifact = self.work.artifacts / stage.name / fingerprint(stage.code, inputs)
            self._code[stage.name] = code_digest(stage.code)
            extras["directory"] = artifact
            # Before it is built: what a killed run has made so far stays as long as that run.
            with (self.directory / ARTIFACTS).open("a") as file:
                file.write(f"{stage.name}/{artifact.name}\n")
            if stage.name == self._rerun:
                # Without its directory an artifact has no cached result either. What an interrupted
                # build left goes too: a training would continue from it.
                for path in (artifact, partial_of(artifact)):
                    shutil.rmtree(path, ignore_errors=True)
        self._tracking.stage_started(stage.name)
        with StageLine(self._console, stage.name) as line:
            self._current, self._line = stage, line
            task = stage.task.with_options(result_storage=self.work.artifacts)
            try:
                state: State[Any] = task(*inputs, return_state=True, **extras)
            except BaseException as error:
                if _interruption(error):
                    self._tracking.stage_interrupted(stage.name)
                raise
            if not state.is_completed():
                # Its workers' logs are all that can say why a training on several of them failed.
                logs = worker_logs(partial_of(artifact)) if artifact else ()
                self._tracking.stage_failed(stage.name, logs)
                raise state.result(raise_on_failure=False)
            # Prefect names the state so when the result is there already under the cache key.
            value, reused = state.result(), state.name == "Cached"
            record = stage.record(value, self.config)
            self._tracking.stage_finished(stage.name, record, reused, artifact)
            line.finish(record.summary, reused)
        self.values[stage.name] = value
        if stage.outcome is not None:
            self._contributions[stage.outcome] = value
        path_text = str(artifact) if artifact else None
        self._stages.append(
            StageOutcome(stage.name, record.summary, line.seconds, reused, path_text)
        )
        if stage.dismisses_workers:
            self._dismiss_workers()
        if stage.name == self._until:
            raise _StageReached
        return value

    def on_progress(self, history: Path, step: int, end: int, metrics: Mapping[str, float]) -> None:
        """Shows and tracks a new line of the training history, whose metrics name its fit."""
        shown = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        text = f"step {step:,} of {end:,}, {shown}"
        self._line.update(text)
        if time.monotonic() >= self._next_progress:
            LOGGER.info("%s: %s", self._current.name, text)
            self._next_progress = time.monotonic() + PROGRESS_SECONDS
        self._tracking.log_progress(self._current.name, history, step)

    @property
    def on_rows(self) -> Callable[[str], None] | None:
        """Shows how far preprocessing is; None where nobody looks."""
        return self._show if self._console.is_terminal else None

    def _show(self, text: str) -> None:
        self._line.update(text)

    def final_state(self) -> State[Any]:
        """The state of the flow run; Cancelled if another run was going on, or a person ended it.

        Prefect itself cancels a run that is due during another.
        """
        if self._obstacle is not None:
            return Cancelled(message=str(self._obstacle))
        return final_state(self._outcome)

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
        decision: Decision | None = self._contributions.get("decision")
        if decision is not None:
            # A run up to a stage behind the gate, such as the export, says only that this was done.
            ends_with_it = self._until is None or self._current.outcome == "decision"
            if ends_with_it and not decision.promoted:
                return "refused", decision.reason
            if self._until is None:
                return decision.verdict, decision.reason
        return "done", f"Done up to {self._stages[-1].name}; nothing was promoted."

    def _end(self, status: Status, reason: str, exit_code: int | None = None) -> None:
        report: tuple[Path, ...] = ()
        notes: tuple[str, ...] = ()
        try:
            if (model := self.values.get("model")) is not None:
                notes = training_notes(model, self.config)
            report = write_report(self.run_id, self.work, self.config, self.values, self._code)
        except Exception as error:
            # The run has its outcome, or its first error, whatever becomes of the page about it.
            LOGGER.warning("The report of run %s could not be written: %s", self.run_id, error)
        self._tracking.log_files(report)
        unsent = self._tracking.end(status, reason, self._contributions.get("version"))
        self._outcome = Outcome(
            run_id=self.run_id,
            name=self.config.name,
            status=status,
            reason=reason,
            stages=tuple(self._stages),
            training_notes=notes,
            exit_code=EXIT_CODES[status] if exit_code is None else exit_code,
            **self._contributions,
            mlflow_run_id=self.mlflow_run_id,
            tracking_uri=self.work.printed_tracking_uri,
            mlflow_url=self._tracking.page,
            prefect_url=prefect_address(),
            flow_run_id=flow_run.id,
            unsent_events=unsent,
        )
        # Whoever finds an outcome takes the run as over, with all that belongs to it.
        self.work.save_outcome(self._outcome)
        notify(self._outcome, self.config.notify_on)
        keep_within_limits(self.work, self._owner, self.config.name, self.config.retention)
        # The next thing is Prefect's record of the end, which waits for the server, too.
        self._tracking.link_from_prefect()


_INTERRUPTED = {
    signal.SIGINT: "Stopped by Ctrl-C; the next run goes on from here.",
    signal.SIGTERM: "Stopped by SIGTERM; the next run goes on from here.",
}


def _interruption(error: BaseException) -> signal.Signals | None:
    """The signal by which a person, or the system for one, ended the run; None if none did."""
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    # As `raising_sigterm` and, inside a flow, Prefect raise it.
    is_sigterm = isinstance(error, SystemExit) and error.code == 128 + signal.SIGTERM
    return signal.SIGTERM if is_sigterm or isinstance(error, TerminationSignal) else None


def _message(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if isinstance(error, RnnflowError) else f"{type(error).__name__}: {text}"
