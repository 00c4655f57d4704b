"""Starts workers, watches them, and starts all of them again when one fails.

It may supervise a whole local cluster, or the one worker of this machine in a larger cluster.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import TypeAlias

from components.config import LaunchConfig
from components.errors import RnnflowError, WorkerFailedError
from components.workers.worker_process import LOST_PEER, WorkerCommand, WorkerProcess, end_all

StopReason: TypeAlias = Callable[[], str | None]
"""Called at each poll while workers run; returns a reason to end them all, or None."""

_POLL_SECONDS = 0.05
_SETTLE_SECONDS = 2.0
"""How long the exit of a lost worker may come after another worker has noticed the loss."""

_LOG = logging.getLogger("rnnflow.workers")


@dataclass(frozen=True)
class Failure:
    """Why workers that were started did not all finish."""

    reason: str
    """In one sentence."""
    status: int | None = None
    """Of the worker that failed first; None if they were ended for another reason."""
    error: str | None = None
    """What that worker printed of its error."""
    evidence: str = ""
    """Its last lines, and where its log is."""


def supervise(
    commands: Callable[[], Sequence[WorkerCommand]],
    launch: LaunchConfig,
    find_stop_reason: StopReason,
    final_errors: Mapping[int, type[RnnflowError]],
) -> None:
    """Runs workers until all have finished, and starts all of them again when one fails.

    Args:
        commands: returns what to start, called before each start; the first one is the chief.
        launch: restarts and time limits.
        find_stop_reason: see ``StopReason``.
        final_errors: errors that a restart does not help against, by exit status.

    Raises:
        WorkerFailedError: a worker failed more often than ``launch.restarts_allowed`` says.
        RnnflowError: one of ``final_errors``.
    """
    restarts = 0
    # All or none: a step needs every worker, and only a checkpoint has a state that all can take.
    while failure := run_workers(commands(), launch, find_stop_reason):
        if failure.status is not None and (final := final_errors.get(failure.status)):
            raise final(failure.error or failure.reason)
        if restarts == launch.restarts_allowed:
            raise WorkerFailedError(
                f"{failure.reason} launch.restarts_allowed = {restarts} allows no more restarts; "
                "the last checkpoint is kept, and another run continues from it."
                f"{failure.evidence}"
            )
        restarts += 1
        _LOG.warning(
            "%s All workers start again from the last checkpoint (%d of %d restarts).",
            failure.reason,
            restarts,
            launch.restarts_allowed,
        )


def run_workers(
    commands: Sequence[WorkerCommand], launch: LaunchConfig, find_stop_reason: StopReason
) -> Failure | None:
    """Runs workers once; when this returns or raises, none is left.

    Returns:
        None if all have finished.
    """
    workers: list[WorkerProcess] = []
    with raising_sigterm():
        try:
            workers.extend(WorkerProcess(command) for command in commands)
            return _poll_until_done(workers, launch, find_stop_reason)
        finally:
            end_all(workers, launch.grace_seconds)
            _log_output(workers)


def _poll_until_done(
    workers: Sequence[WorkerProcess], launch: LaunchConfig, find_stop_reason: StopReason
) -> Failure | None:
    while True:
        _log_output(workers)
        ended = [worker for worker in workers if worker.poll() is not None]
        if failed := [worker for worker in ended if not worker.has_finished]:
            return _explain(_first_cause(workers, failed))
        if len(ended) == len(workers):
            return None
        _end_overdue(workers, launch)
        if reason := find_stop_reason():
            return Failure(reason)
        time.sleep(_POLL_SECONDS)


def _end_overdue(workers: Sequence[WorkerProcess], launch: LaunchConfig) -> None:
    """Ends those that do not end in time after they, or the chief, have finished."""
    # Once the chief has finished, the checkpoint is written and no worker has anything left to do.
    chief_seconds = workers[0].finished_seconds
    for worker in workers:
        seconds = max(chief_seconds, worker.finished_seconds)
        if worker.poll() is None and seconds > launch.exit_seconds:
            _LOG.warning("%s has not ended %.0f s after its work was done.", worker.name, seconds)
            # Its results are written, so the run does not fail because of what keeps it running.
            worker.finish()
            end_all([worker], launch.grace_seconds)


def _first_cause(
    workers: Sequence[WorkerProcess], failed: Sequence[WorkerProcess]
) -> WorkerProcess:
    """The worker that failed for a reason of its own, if there is one."""
    # When a worker dies, its peers notice the broken connection at once and may be seen to exit
    # before it: the one whose status is not LOST_PEER is waited for.
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        own = [worker for worker in failed if worker.status != LOST_PEER]
        if own or time.monotonic() >= deadline:
            return (own or failed)[0]
        time.sleep(_POLL_SECONDS)
        failed = [
            worker for worker in workers if worker.poll() is not None and not worker.has_finished
        ]


def _explain(worker: WorkerProcess) -> Failure:
    _log_output([worker])
    lines = "".join(f"\n  {line}" for line in worker.last_lines)
    evidence = f"\nThe last lines of {worker.name} (all are in {worker.command.log}):{lines}"
    error = f" ({worker.error})" if worker.error else ""
    reason = f"{worker.name} {_how_it_ended(worker.status)}{error}."
    return Failure(reason, worker.status, worker.error, evidence)


def _how_it_ended(status: int | None) -> str:
    if status is None or status >= 0:
        return f"ended with status {status}"
    try:
        return f"was killed by {signal.Signals(-status).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-status}"


def _log_output(workers: Sequence[WorkerProcess]) -> None:
    for worker in workers:
        for line in worker.new_lines():
            _LOG.info("%s | %s", worker.name, line)


@contextlib.contextmanager
def raising_sigterm() -> Iterator[None]:
    """Ends this process by an exception on SIGTERM, unless SIGTERM has another handler.

    While the exception runs, no other SIGTERM stops what it cleans up.
    """
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not in_main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
